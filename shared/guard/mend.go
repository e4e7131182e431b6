package guard

// Mend says in half a sentence what lets a key open something again, by the state it is in; "" for one that is gone, one that opens,
// and one of which that is not known. Nothing else helps: KMS refuses to enable a key that is not disabled.
// Source: KMS Developer Guide, "Key states of AWS KMS keys" (EnableKey, CancelKeyDeletion, ImportKeyMaterial), "Deleting multi-Region
// keys", "Reimporting key material", "Connect and disconnect custom key stores".
func (k Key) Mend() string {
	switch k.State {
	case KeyDisabled:
		return "enable it"
	case KeyPendingDeletion, KeyPendingReplicaDeletion:
		return "cancel its deletion and enable it"
	case KeyPendingImport:
		return "import the same key material into it again (without an expiry date, or with a later one)"
	case KeyUnavailable:
		if k.Store != "" {
			return "connect its custom key store " + k.Store + " again"
		}
		return "connect its custom key store again"
	default:
		return ""
	}
}
