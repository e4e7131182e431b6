package localaws

// Elapse does what AWS would have done by itself up to now: it ends recovery windows and waiting periods that are
// over, and rotates the secrets and keys that are due. Calls notice by themselves what concerns them; Elapse is for
// clocks that jump while nobody calls.
func (a *AWS) Elapse() {
	a.lock()
	defer a.unlock()
	for _, p := range a.sortedLocations() {
		elapseSecrets(a, p)
		elapseKeys(a, p)
	}
}
