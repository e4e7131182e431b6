package scenarios_test

// script is a world: keys ("new" is what secrets are moved to), one secret, its readers.
type script struct {
	Keys          map[string]keyScript
	Secret        secretScript
	Readers       map[string]reader
	ChangeWithout []string
	Seen          []string // who reads before, and is in CloudTrail
	AutoGrant     bool
}

type keyScript struct {
	Region string
	Policy []string // statements; none: the account's IAM decides
}

type secretScript struct {
	Key          string // name of a key; "" is the AWS managed one
	Tags         map[string]string
	MoreVersions int
}

type reader struct {
	May []string // statements
}
