package scenarios_test

// script is one file of testdata/migrations: a world, what the plan must say of it, and the truth about who can read
// after each phase, which the test finds out by reading.
type script struct {
	Says          string               `yaml:"says"` // what it shows, in one sentence
	Keys          map[string]keyScript `yaml:"keys"`
	Secret        secretScript         `yaml:"secret"`
	Readers       map[string]reader    `yaml:"readers"`
	Grants        []grantScript        `yaml:"grants"`
	SCP           []string             `yaml:"scp"`
	ChangeWithout []string             `yaml:"changeRoleWithout"`
	Seen          []string             `yaml:"seen"`   // who reads before, and is in CloudTrail
	Accept        []string             `yaml:"accept"` // readers that may lose access
	AutoGrant     bool                 `yaml:"autoGrant"`
	Faults        faultScript          `yaml:"faults"`

	Plan  planScript  `yaml:"plan"`
	Truth truthScript `yaml:"truth"`
	Ends  string      `yaml:"ends"` // phase in which an unforced run ends
	Why   string      `yaml:"why"`  // part of its reason
}

type keyScript struct {
	Region string   `yaml:"region"`
	Policy []string `yaml:"policy"` // statements; none: the account's IAM decides
}

type secretScript struct {
	Key          string            `yaml:"key"` // name of a key; "" is the AWS managed one
	KeyState     string            `yaml:"keyState"`
	Tags         map[string]string `yaml:"tags"`
	Policy       []string          `yaml:"policy"`
	Replicas     map[string]string `yaml:"replicas"`
	Rotation     string            `yaml:"rotation"` // reader whose role the function has
	MoreVersions int               `yaml:"moreVersions"`
	Service      string            `yaml:"service"`
	Deleted      bool              `yaml:"deleted"`
}

type reader struct {
	Account  string   `yaml:"account"` // "" is the secret's own, "data" another of the organization
	Region   string   `yaml:"region"`  // where it reads: a copy
	May      []string `yaml:"may"`
	Boundary []string `yaml:"boundary"`
}

type grantScript struct {
	Key    string `yaml:"key"`
	Reader string `yaml:"reader"`
}

type faultScript struct {
	ThrottleEvery int    `yaml:"throttleEvery"`
	Crash         bool   `yaml:"crash"`   // a worker dies at every single call
	Workers       int    `yaml:"workers"` // at once
	FlipBack      int    `yaml:"flipBack"`
	Lose          string `yaml:"lose"`     // reader whose right on the key is taken away after the first new version
	LoseAt        string `yaml:"loseAt"`   // "rekeyed" or "sealed"
	Rollback      string `yaml:"rollback"` // phase after which everything is set back
	Change        string `yaml:"change"`   // what changes between plan and apply
}

type planScript struct {
	Safe    bool              `yaml:"safe"`
	Outside string            `yaml:"outside"` // reason why it is not in the plan
	Readers map[string]string `yaml:"readers"` // verdicts
	Fix     map[string]string `yaml:"fix"`     // kinds
	Blocked []string          `yaml:"blocked"` // parts of the reasons
	Wave    string            `yaml:"wave"`
}

// truthScript lists who gets a value.
type truthScript struct {
	Before  []string `yaml:"before"`
	Rekeyed []string `yaml:"rekeyed"`
	Sealed  []string `yaml:"sealed"`
	Gone    []string `yaml:"gone"` // with the previous key
}

func (s script) accepted() []string {
	var out []string
	for _, name := range s.Accept {
		out = append(out, "arn:aws:iam::"+shop+":role/"+name)
	}
	return out
}
