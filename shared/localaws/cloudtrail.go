package localaws

// Record is one CloudTrail record, as a trail and the event bus show it.
type Record map[string]any

// trailStore is CloudTrail in one account and Region.
type trailStore struct{ off bool }

func newTrailStore() *trailStore { return &trailStore{} }

func cloudTrailOperations() map[string]operation { return map[string]operation{} }

// record writes what CloudTrail knows of a finished call. The state lock must be held.
func (a *AWS) record(*call, any, error) {}

// emit puts an event of an AWS service on the default bus of a place. The state lock must be held.
func (a *AWS) emit(p place, envelope map[string]any) { a.putEvent(p, "default", envelope) }
