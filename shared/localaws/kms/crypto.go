package kms

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/doublelock/doublelock/shared/arn"
	"github.com/doublelock/doublelock/shared/localaws/core"
)

func cryptoOperations() map[string]core.Operation {
	return map[string]core.Operation{
		"Encrypt":         encrypt,
		"Decrypt":         decrypt,
		"GenerateDataKey": generateDataKey,
	}
}

type CryptoInput struct {
	KeyId             string            `json:",omitempty"`
	KeySpec           string            `json:",omitempty"`
	EncryptionContext map[string]string `json:",omitempty"`
	Plaintext         []byte            `json:",omitempty"`
	CiphertextBlob    []byte            `json:",omitempty"`
	NumberOfBytes     int               `json:",omitempty"`
}

// CryptoOutput is the answer of all cryptographic operations.
type CryptoOutput struct {
	KeyId               string
	CiphertextBlob      []byte `json:",omitempty"`
	Plaintext           []byte `json:",omitempty"`
	EncryptionAlgorithm string `json:",omitempty"`
}

// encryptionContext are the condition keys of an encryption context.
func encryptionContext(of map[string]string) map[string][]string {
	if len(of) == 0 {
		return nil
	}
	out := map[string][]string{"kms:EncryptionContextKeys": slices.Sorted(maps.Keys(of))}
	for name, value := range of {
		out["kms:EncryptionContext:"+name] = []string{value}
	}
	return out
}

// noteUse notes a successful use of a key; the event id comes when the call is recorded.
func noteUse(c *core.Call, k *Key) {
	k.last = keyLastUsed{operation: c.Operation, requestID: c.RequestID, at: c.Now}
	c.Recorded = func(eventID string) { k.last.eventID = eventID }
}

// cryptoKey finds the key of a cryptographic call, with the right to use it and in a state to be used.
func cryptoKey(c *core.Call, in CryptoInput) (*Key, error) {
	c.EncryptionContext = in.EncryptionContext
	k, err := authorizedKey(c, in.KeyId, encryptionContext(in.EncryptionContext))
	if err != nil {
		return nil, err
	}
	goesOn := k.stateNow() == keyDisabled && readsSecret(c) && c.AWS.Options.Behavior.DisabledRead == core.DisabledGoesOn
	if err := k.Usable(); err != nil && !goesOn {
		return nil, err
	}
	if k.usage != "ENCRYPT_DECRYPT" || k.spec != symmetricSpec {
		return nil, &core.Error{Code: "InvalidKeyUsageException", Message: k.ARN + " key usage is " + k.usage + " which is not valid for " + c.Operation + "."}
	}
	noteUse(c, k)
	return k, nil
}

func encrypt(c *core.Call) (any, error) {
	var in CryptoInput
	if err := c.Decode(&in); err != nil {
		return nil, err
	}
	if len(in.Plaintext) == 0 || len(in.Plaintext) > 4096 {
		return nil, &core.Error{Code: "ValidationException", Message: "1 validation error detected: Value at 'plaintext' failed to satisfy constraint: Member must have length between 1 and 4096"}
	}
	k, err := cryptoKey(c, in)
	if err != nil {
		return nil, err
	}
	return CryptoOutput{KeyId: k.ARN, CiphertextBlob: sealUnder(c.AWS, k, in.Plaintext, in.EncryptionContext), EncryptionAlgorithm: symmetricSpec}, nil
}

func generateDataKey(c *core.Call) (any, error) {
	var in CryptoInput
	if err := c.Decode(&in); err != nil {
		return nil, err
	}
	size := in.NumberOfBytes
	switch {
	case in.KeySpec == "AES_256":
		size = 32
	case in.KeySpec == "AES_128":
		size = 16
	case size <= 0 || size > 1024:
		return nil, &core.Error{Code: "ValidationException", Message: "Please specify either number of bytes or key spec."}
	}
	k, err := cryptoKey(c, in)
	if err != nil {
		return nil, err
	}
	plain := randomBytes(c.AWS, size)
	out := CryptoOutput{KeyId: k.ARN, CiphertextBlob: sealUnder(c.AWS, k, plain, in.EncryptionContext)}
	if c.Operation == "GenerateDataKey" {
		out.Plaintext = plain
	}
	return out, nil
}

func decrypt(c *core.Call) (any, error) {
	var in CryptoInput
	if err := c.Decode(&in); err != nil {
		return nil, err
	}
	sealedBy, _, ok := bytes.Cut(in.CiphertextBlob, []byte{0})
	if !ok {
		return nil, &core.Error{Code: "InvalidCiphertextException"}
	}
	if in.KeyId != "" {
		if named, err := FindKey(c.AWS, c.Location, in.KeyId); err != nil {
			return nil, err
		} else if named.ARN != inThisRegion(c, string(sealedBy)) {
			return nil, &core.Error{Code: "IncorrectKeyException", Message: "The key ID in the request does not identify a CMK that can perform this operation."}
		}
	}
	in.KeyId = inThisRegion(c, string(sealedBy))
	k, err := cryptoKey(c, in)
	if err != nil {
		return nil, err
	}
	plain, err := unseal(k, in.CiphertextBlob, in.EncryptionContext)
	if err != nil {
		return nil, &core.Error{Code: "InvalidCiphertextException"}
	}
	return CryptoOutput{KeyId: k.ARN, Plaintext: plain, EncryptionAlgorithm: symmetricSpec}, nil
}

// inThisRegion is the related key of a multi-Region key, which opens what any of them has sealed.
func inThisRegion(c *core.Call, key string) string {
	if parsed := arn.Of(key); strings.HasPrefix(parsed.Name(), "mrk-") {
		return parsed.In(c.Region).String()
	}
	return key
}

const nonceSize = 12

// sealUnder encrypts under a key: key ARN, a zero byte, nonce, AES-GCM with the encryption context as additional data.
func sealUnder(a *core.AWS, k *Key, plain []byte, context map[string]string) []byte {
	nonce := randomBytes(a, nonceSize)
	out := append(append([]byte(k.ARN), 0), nonce...)
	return k.gcm().Seal(out, nonce, plain, additional(context))
}

func unseal(k *Key, blob []byte, context map[string]string) ([]byte, error) {
	_, rest, _ := bytes.Cut(blob, []byte{0})
	if len(rest) < nonceSize {
		return nil, fmt.Errorf("open ciphertext: %d bytes are too few", len(rest))
	}
	plain, err := k.gcm().Open(nil, rest[:nonceSize], rest[nonceSize:], additional(context))
	if err != nil {
		return nil, fmt.Errorf("open ciphertext: %w", err)
	}
	return plain, nil
}

func (k *Key) gcm() cipher.AEAD {
	if k.aead != nil {
		return k.aead
	}
	block, err := aes.NewCipher(k.material)
	if err != nil {
		panic(err) // material has 32 bytes
	}
	if k.aead, err = cipher.NewGCM(block); err != nil {
		panic(err) // AES has the block size GCM wants
	}
	return k.aead
}

func additional(context map[string]string) []byte {
	body, _ := json.Marshal(context) // strings only; keys come sorted
	return body
}
