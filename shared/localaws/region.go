package localaws

// regionState is everything of one account that lives in one Region.
type regionState struct {
	secrets   *secretsManager
	keys      *kmsStore
	queues    *sqsStore
	topics    *snsStore
	tables    *dynamoStore
	buses     *eventStore
	functions *lambdaStore
	trail     *trailStore
}

// at is the state of a place, made on first use. The state lock must be held.
func (a *AWS) at(p place) *regionState {
	if state, ok := a.places[p]; ok {
		return state
	}
	state := &regionState{
		secrets:   newSecretsManager(),
		keys:      newKMSStore(),
		queues:    newSQSStore(),
		topics:    newSNSStore(),
		tables:    newDynamoStore(),
		buses:     newEventStore(),
		functions: newLambdaStore(),
		trail:     newTrailStore(),
	}
	a.places[p] = state
	return state
}

// region is the state of the place the call is addressed to.
func (c *call) region() *regionState { return c.aws.at(c.place) }

// account is what belongs to an account as a whole.
type account struct {
	ID    string
	roles map[string]*role
	users map[string]*user
}

func (a *AWS) account(id string) *account {
	if found, ok := a.accounts[id]; ok {
		return found
	}
	made := &account{ID: id, roles: map[string]*role{}, users: map[string]*user{}}
	a.accounts[id] = made
	return made
}
