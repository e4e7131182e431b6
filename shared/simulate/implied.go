package simulate

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/doublelock/doublelock/shared/arn"
	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/policy"
)

// The calls to KMS that Secrets Manager makes with the session of its caller, so that organization policies bind them as well.
// Source: Secrets Manager User Guide, "Secret encryption and decryption" (how Secrets Manager uses your KMS key; permissions
// for the KMS key; encryption context): a key that is named is tried by GenerateDataKey and Decrypt, each new value takes
// GenerateDataKey, each read Decrypt.
const (
	generateDataKey = "kms:GenerateDataKey"
	decryptWithKey  = "kms:Decrypt"
	encryptWithKey  = "kms:Encrypt"
	secretVersionID = "kms:EncryptionContext:SecretVersionId"
	validation      = "RequestToValidateKeyAccess" // as a version, in the context of the calls that try a key
)

// leftBehind is what a denied kms:Encrypt does: Secrets Manager API Reference, UpdateSecret, KmsKeyId.
const leftBehind = "without it the call succeeds, and the versions that are there stay under the key they have"

// uses is what a call to Secrets Manager does with keys, as far as its record says.
type uses struct {
	named    *keyName // that the call sets
	current  *keyName // that the secret has; nil where only a snapshot can say
	anyKey   bool     // or another, for what the call sets is not recorded
	replicas []replica
	writes   certainty // a new value
	reads    bool
	asked    guard.Version // what it reads: an id, labels, neither for the current one
	rotates  bool          // by a function, with a role of its own
	linked   string        // account of the replica that the call links, "*" where it does not say which; "" where it links none
	version  string
}

// keyName is a key as a call names it; "" is the AWS managed one.
type keyName struct {
	id       string
	customer bool // surely no AWS managed key
	managed  bool // surely that of Secrets Manager
	unsaid   bool // it may be any
}

type replica struct {
	region string
	key    keyName
}

type certainty int

const (
	never certainty = iota
	maybe
	surely
)

// usesOf reads what a record says. CloudTrail leaves values out: whether CreateSecret and UpdateSecret had one is not in it. What
// a service creates for itself has one.
func usesOf(action, resource string, request map[string]any) uses {
	u := uses{version: text(request["clientRequestToken"]), asked: guard.Version{ID: text(request["versionId"]), Stages: texts(request["versionStage"])}}
	if id, found := request["kmsKeyId"]; found && id != nil {
		u.named = &keyName{id: text(id)}
	}
	list, _ := request["addReplicaRegions"].([]any)
	for _, item := range list {
		object, _ := item.(map[string]any)
		u.replicas = append(u.replicas, replica{text(object["region"]), keyName{id: text(object["kmsKeyId"])}})
	}
	u.linked = cmp.Or(arn.Of(text(request["crossAccountReplicaARN"])).Account, "*")
	u.does(action, resource)
	return u
}

func (u *uses) does(action, resource string) {
	if action != "secretsmanager:AssociateCrossAccountReplica" {
		u.linked = ""
	}
	switch strings.TrimPrefix(action, "secretsmanager:") {
	case "CreateSecret":
		u.writes = maybe
		if strings.Contains(arn.Of(resource).Resource, "!") {
			u.writes = surely
		}
		if u.named == nil {
			u.current = &keyName{}
		}
	case "UpdateSecret":
		u.writes = maybe
	case "PutSecretValue":
		u.writes = surely
	case "GetSecretValue", "BatchGetSecretValue":
		u.reads = true
	case "ReplicateSecretToRegions":
		u.reads, u.asked = true, guard.Version{Stages: []string{"AWSCURRENT", "AWSPENDING", "AWSPREVIOUS"}}
	case "RotateSecret":
		u.rotates = true
	case "AssociateCrossAccountReplica": // which reads as one that its needs have
	default:
		*u = uses{}
	}
}

// step is one call to KMS within another.
type step struct {
	call   Call
	others []Call // or one of these
	unsure string // why it may not have been made; ""
	asked  string // unsure, where that is what an answer of AWS says
	anyKey string // why it is not known whether the key is AWS's or a customer's; "" where it is
	way    Way    // to the AWS managed key, if the key is that; "" where it only decrypts
	trial  saying // where it is the trial of that key: what AWS answered of it
}

// implied lists the steps of a call: the other permissions that it takes, with what those imply, and its uses of keys.
func (t *Trial) implied(call Call) []step {
	var out []step
	for _, n := range call.withParts() {
		out = append(out, step{call: n.call, unsure: n.unsure})
		for _, inner := range t.implied(n.call) {
			inner.unsure = cmp.Or(n.unsure, inner.unsure)
			out = append(out, inner)
		}
	}
	return append(out, t.usesOfKeys(call)...)
}

// usesOfKeys lists the calls to KMS that Secrets Manager makes.
func (t *Trial) usesOfKeys(call Call) []step {
	if !strings.HasPrefix(call.Request.Action, "secretsmanager:") {
		return nil
	}
	u, secret := call.uses, arn.Of(call.Request.Resource)
	region := cmp.Or(secret.Region, value(call.Request.Context, "aws:RequestedRegion"))
	at := location{arn.PartitionOf(region), region, cmp.Or(secret.Account, call.Request.Principal.Account), call.At}
	var out []step
	current, way := t.current(call, at), u.way(call.Request.Action)
	add := func(action string, k usedKey, version string, s step) {
		if !k.aws && !k.own {
			s.anyKey = cmp.Or(k.another, "which key it is would be in a snapshot")
		}
		s.call = t.use(call, action, k, version)
		out = append(out, s)
	}
	try := func(k usedKey, way Way, actions ...string) {
		if s, tried := t.tries(k, way); tried {
			for _, action := range actions {
				add(action, k, validation, s)
			}
		}
	}
	if u.named != nil {
		current = t.resolve(*u.named, at)
		try(current, way, generateDataKey, decryptWithKey)
		if call.Request.Action == "secretsmanager:UpdateSecret" {
			add(encryptWithKey, current, "", step{unsure: leftBehind, way: way})
		}
	} else if u.writes != never && current.aws {
		try(current, way, generateDataKey)
	}
	switch u.writes {
	case surely:
		add(generateDataKey, current, u.version, step{way: way})
	case maybe:
		add(generateDataKey, current, u.version, step{unsure: "whether the call had a value is not in its record", way: way})
	}
	if u.reads {
		keys := t.opening(call, current)
		var s step
		for _, k := range keys[1:] {
			s.others = append(s.others, t.use(call, decryptWithKey, k, u.asked.ID))
			s.anyKey = "several keys may open what was read"
		}
		add(decryptWithKey, keys[0], u.asked.ID, s)
	}
	for _, r := range u.replicas {
		there := at
		there.region = cmp.Or(r.region, at.region)
		key := t.resolve(r.key, there)
		way := replicaWay(call.Request.Action)
		try(key, way, generateDataKey)
		add(generateDataKey, key, u.version, step{way: way})
		if !key.aws { // API Reference, ReplicateSecretToRegions, "Required permissions"
			add(encryptWithKey, key, "", step{way: way})
		}
	}
	if u.linked != "" { // API Reference, AssociateCrossAccountReplica, "Required permissions"
		there := at
		there.account = u.linked
		add(encryptWithKey, usedKey{at: there}, "", step{})
	}
	if u.rotates {
		call.Request.Principal, call.unsureBound = rotationRole(at), false
		call.Request.Unknown = append(slices.Clip(call.Request.Unknown), "aws:PrincipalArn")
		add(generateDataKey, current, "", step{unsure: "the rotation function writes the new value, with a role of its own", way: way})
	}
	return out
}

// location is where a key is looked for.
type location struct {
	partition       arn.Partition
	region, account string
	when            time.Time
}

// usedKey is a key as policies see it.
type usedKey struct {
	arn     string // "" where it is not known
	at      location
	aliases []string // all of them, where complete, as they are now
	all     bool
	aws     bool // surely the AWS managed one
	own     bool // surely a customer's

	calledBy string // the alias by which the call names it; ""

	another string // why it may be that of another secret than the one that is known; ""
}

// resolve finds the key that a call names.
func (t *Trial) resolve(named keyName, at location) usedKey {
	k := usedKey{at: at, own: named.customer}
	if named.managed {
		k.know(guard.Key{ARN: named.id, Manager: guard.ManagerAWS})
		return k
	}
	id := named.id
	if named.unsaid {
		return k
	}
	if id == "" {
		id = guard.DefaultKeyAlias
	}
	whole := arn.Of(id)
	if whole == (arn.ARN{}) {
		resource := id
		if !strings.HasPrefix(id, "alias/") {
			resource = "key/" + id
		}
		whole = at.partition.New("kms", at.region, at.account, resource)
	}
	switch alias := strings.HasPrefix(whole.Resource, "alias/"); {
	case alias && whole.Resource == guard.DefaultKeyAlias:
		k.aws, k.all, k.aliases = true, true, []string{guard.DefaultKeyAlias}
		return k
	case alias && strings.HasPrefix(whole.Resource, "alias/aws/"):
		k.aliases, k.all = []string{whole.Resource}, true
		return k
	case alias: // AWS gives its own keys no other alias, and nobody else may
		k.own, k.aliases, k.calledBy, k.arn = true, []string{whole.Resource}, whole.Resource, t.keyBehind(whole.String(), at.when)
	default:
		k.arn = whole.String()
	}
	if found, known := t.options.Keys[k.arn]; known && k.arn != "" {
		k.know(found)
	}
	return k
}

func (k *usedKey) know(found guard.Key) {
	k.arn = found.ARN
	k.own, k.aws = found.Manager == guard.ManagerCustomer, found.Manager == guard.ManagerAWS
	if found.Aliases != nil {
		k.aliases, k.all = found.Aliases, true
	}
	if k.aws {
		k.aliases, k.all = []string{guard.DefaultKeyAlias}, true
	}
}

// current is the key that a secret has.
func (t *Trial) current(call Call, at location) usedKey {
	if call.uses.current != nil {
		return t.resolve(*call.uses.current, at)
	}
	k := usedKey{at: at}
	if call.NoResource || call.uses.anyKey {
		return k
	}
	found, another := t.secretOf(call)
	if found != nil && another == "" && !call.At.IsZero() && call.At.Before(found.LastChangedAt.Truncate(time.Second)) {
		another = "the secret was changed after the call: which key it had before is not known"
	}
	if k.another = another; found != nil && another == "" {
		k.know(found.Key)
	}
	return k
}

// opening are the keys that may open the version which a call reads, of a secret that has the current key now. Not the key of a secret
// opens a version, but those that the version is under; of several it is not documented which one is tried.
// Source: Secrets Manager User Guide, "Secret encryption and decryption"; API Reference, SecretVersionsListEntry, KmsKeyIds.
func (t *Trial) opening(call Call, current usedKey) []usedKey {
	found, _ := t.secretOf(call)
	if found == nil || call.uses.current != nil || !current.aws && current.arn == "" {
		return []usedKey{current}
	}
	copies := guard.CopiesOf(*found).Here()
	switch {
	case copies.Unlisted:
		return []usedKey{{at: current.at, another: "the secret's versions could not be read for the snapshot"}}
	case len(copies.List) == 0:
		return []usedKey{current}
	}
	var out []usedKey
	for _, c := range copies.List {
		if !asksFor(call.uses.asked, c) {
			continue
		}
		if c.More || !call.At.IsZero() && call.At.Before(c.Made.Truncate(time.Second)) {
			return []usedKey{{at: current.at, another: "the snapshot does not say which key opened the version then"}}
		}
		for _, facts := range c.Keys {
			if known, is := t.options.Keys[facts.ARN]; is {
				facts = known
			}
			k := usedKey{at: current.at}
			k.know(facts)
			out = append(out, k)
		}
	}
	if len(out) == 0 {
		return []usedKey{{at: current.at, another: "the snapshot does not have the version that was asked for"}}
	}
	return out
}

// asksFor reports whether a read that asks for an id, or else for labels, may be of a version.
func asksFor(asked guard.Version, c guard.Copy) bool {
	if asked.ID != "" {
		return asked.ID == c.Version
	}
	labels := asked.Stages
	if len(labels) == 0 {
		labels = []string{"AWSCURRENT"}
	}
	return slices.ContainsFunc(labels, c.Has)
}

// use is the call of one operation with a key. Of the caller's own context it has what belongs to the session, not to the way
// that its request took.
func (t *Trial) use(call Call, action string, k usedKey, version string) Call {
	r := policy.Request{Principal: call.Request.Principal, Action: action, ResourceAccount: k.at.account, Open: true,
		Context: map[string][]string{"aws:RequestedRegion": {k.at.region}, "aws:ViaAWSService": {"true"}, "kms:CallerAccount": one(call.Request.Principal.Account),
			"kms:KeySpec": {symmetric}, "kms:KeyUsage": {"ENCRYPT_DECRYPT"},
			"kms:CustomerMasterKeySpec": {symmetric}, "kms:CustomerMasterKeyUsage": {"ENCRYPT_DECRYPT"}, "kms:EncryptionAlgorithm": {symmetric},
			"kms:EncryptionContextKeys": {"SecretARN", "SecretVersionId"}},
		OneOf: map[string][]string{viaService: k.at.partition.ViaService("secretsmanager", k.at.region)}, Absent: []string{"kms:EncryptionContext:*"}}
	for _, key := range []string{"aws:CalledVia", "aws:CalledViaFirst", "aws:CalledViaLast"} {
		r.Context[key] = one(secretsManagerHost)
	}
	for key, values := range call.Request.Context {
		if slices.Contains(ofTheSession, strings.ToLower(key)) {
			r.Context[key] = values
		}
	}
	r.Unknown = slices.DeleteFunc(slices.Clone(call.Request.Unknown), func(key string) bool { return !slices.Contains(ofTheSession, strings.ToLower(key)) })
	if version == "" && t.trialsAlone {
		version = "some-version-or-other" // which no trial of a key has
	}
	for key, known := range map[string]string{secretVersionID: version, "kms:EncryptionContext:SecretARN": wholeSecret(call)} {
		if known == "" {
			r.Unknown = append(r.Unknown, key)
		} else {
			r.Context[key] = []string{known}
		}
	}
	out := Call{Name: call.Name, At: call.At, unsureMFA: call.unsureMFA, unsureRole: call.unsureRole, unsureBound: call.unsureBound, home: call.home, ownKey: k.own}
	if !k.own { // it may be the AWS managed one
		out.rcps = mayBind
	}
	switch {
	case k.aws:
		out.rcps = bindNot
		r.Context["kms:KeyOrigin"], r.Context["kms:MultiRegion"], r.Context["kms:MultiRegionKeyType"] = []string{"AWS_KMS"}, []string{"false"}, []string{}
		if r.Resource = k.arn; r.Resource == "" {
			r.Resource, out.NoResource, out.manager = k.unnamed(), true, guard.ManagerAWS
		}
	case k.arn != "":
		r.Resource, r.ResourceAccount = k.arn, cmp.Or(arn.Of(k.arn).Account, k.at.account)
		switch {
		case call.home == "" && r.ResourceAccount != k.at.account && !slices.Contains(t.options.Members, r.ResourceAccount):
			out.rcps = bindNot // a probe's stranger is none of ours
		case call.home != "" && r.ResourceAccount != call.home:
			out.rcps = mayBind
		}
	default:
		r.Resource, out.NoResource = k.unnamed(), true
		if k.own {
			out.manager = guard.ManagerCustomer
		}
	}
	switch then := t.aliasesThen(k, call.At); {
	case k.all && (!k.own || call.At.IsZero()):
		r.Context["kms:ResourceAliases"] = k.aliases
	case k.own && t.awsAliasesAlone: // which a customer's key never has
		r.Context["kms:ResourceAliases"] = append([]string{"alias/of-a-customer"}, then...)
	case k.own && len(then) > 0:
		r.AtLeast = map[string][]string{"kms:ResourceAliases": then}
	default:
		r.Unknown = append(r.Unknown, "kms:ResourceAliases")
	}
	out.Request = r
	return out
}

// unnamed is a pattern of a key of which only the place is known.
func (k usedKey) unnamed() string {
	return k.at.partition.New("kms", k.at.region, k.at.account, "key/*").String()
}

// ofTheSession are the condition keys that a service that calls on has from the caller's session.
var ofTheSession = []string{"aws:multifactorauthpresent", "aws:sourceidentity", "aws:tokenissuetime", "aws:principalarn", "aws:userid", "aws:currenttime", "aws:epochtime"}

// wholeSecret is the ARN of the secret with the six characters that AWS adds; "" where the record has only its name.
func wholeSecret(call Call) string {
	if call.NoResource || call.unsureSuffix || !suffixed(call.Request.Resource) || call.Request.Action == "secretsmanager:CreateSecret" {
		return ""
	}
	return call.Request.Resource
}

func value(context map[string][]string, key string) string {
	if values := context[key]; len(values) == 1 {
		return values[0]
	}
	return ""
}

// asksForTrialsAlone reports whether the candidates ask for no version of a secret but the one that stands for a trial.
func asksForTrialsAlone(candidates []Candidate) bool {
	for _, c := range candidates {
		for _, s := range c.Document.Statements {
			for _, condition := range s.Conditions {
				if strings.EqualFold(condition.Key, secretVersionID) && slices.ContainsFunc(condition.Values, func(v string) bool { return v != validation }) {
					return false
				}
			}
		}
	}
	return true
}

// asksForAWSAliasesAlone reports whether the candidates ask for no aliases of keys but those of AWS's own.
func asksForAWSAliasesAlone(candidates []Candidate) bool {
	for _, c := range candidates {
		for _, s := range c.Document.Statements {
			for _, condition := range s.Conditions {
				if !strings.EqualFold(condition.Key, "kms:ResourceAliases") {
					continue
				}
				if slices.ContainsFunc(condition.Values, func(v string) bool { return !strings.HasPrefix(v, "alias/aws/") }) || strings.Contains(strings.ToLower(condition.Operator), "allvalues") || strings.EqualFold(condition.Operator, "Null") {
					return false
				}
			}
		}
	}
	return true
}
