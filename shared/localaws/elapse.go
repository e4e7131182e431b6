package localaws

// Elapse does what AWS would have done by itself up to now: it ends recovery windows and waiting periods that are
// over, and rotates the secrets and keys that are due. Calls notice by themselves what concerns them; Elapse is for
// clocks that jump while nobody calls.
func (a *AWS) Elapse() {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := a.options.Now()
	for _, p := range a.sortedLocations() {
		for _, s := range append([]*secret(nil), secretsAt(a, p).order...) {
			if s.gone || a.living(s) == nil {
				continue
			}
			if r := s.rotation; r != nil && r.enabled && r.rules.days() > 0 && !r.next.After(now) {
				r.next = now.AddDate(0, 0, r.rules.days())
				a.rotate(s, a.uuid())
			}
		}
		for _, id := range sortedKeys(keysAt(a, p).keys) {
			if k := a.livingKey(p, id); k != nil {
				k.catchUp(now)
			}
		}
	}
}
