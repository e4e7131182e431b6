package kms

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/doublelock/doublelock/shared/localaws/core"
	"github.com/doublelock/doublelock/shared/policy"
)

func keyOperations() map[string]core.Operation {
	return map[string]core.Operation{
		"CreateKey":        createKey,
		"DescribeKey":      describeKey,
		"ListKeys":         listKeys,
		"ReplicateKey":     replicateKey,
		"TagResource":      tagKey,
		"UntagResource":    untagKey,
		"ListResourceTags": listKeyTags,
		"GetKeyPolicy":     getKeyPolicy,
		"PutKeyPolicy":     putKeyPolicy,
		"GetKeyLastUsage":  getKeyLastUsage,
	}
}

type tag struct{ TagKey, TagValue string }

type createKeyInput struct {
	KeySpec, CustomerMasterKeySpec, KeyUsage, Origin, Description, Policy string
	CustomKeyStoreId, XksKeyId                                            string
	MultiRegion, BypassPolicyLockoutSafetyCheck                           bool
	Tags                                                                  []tag
}

func createKey(c *core.Call) (any, error) {
	var in createKeyInput
	if err := c.Decode(&in); err != nil {
		return nil, err
	}
	tags := map[string]string{}
	for _, tag := range in.Tags {
		tags[tag.TagKey] = tag.TagValue
	}
	if err := c.Authorize(core.Access{Action: "kms:CreateKey", Context: RequestTags(tags)}); err != nil {
		return nil, err
	}
	if in.Policy != "" {
		if err := checkKeyPolicy(c, in.Policy, in.BypassPolicyLockoutSafetyCheck); err != nil {
			return nil, err
		}
	}
	into, err := intoStore(c, in)
	if err != nil {
		return nil, err
	}
	id := c.AWS.UUID()
	if in.MultiRegion {
		id = "mrk-" + strings.ReplaceAll(id, "-", "")
	}
	made := newKey(c.AWS, c.Location, id)
	made.tags, made.description, made.multiRegion = tags, in.Description, in.MultiRegion
	made.primary = c.Location
	made.spec = cmp.Or(cmp.Or(in.KeySpec, in.CustomerMasterKeySpec), made.spec)
	made.usage, made.origin, made.Policy = cmp.Or(in.KeyUsage, made.usage), cmp.Or(in.Origin, made.origin), cmp.Or(in.Policy, made.Policy)
	made.store, made.xksKeyID = into, in.XksKeyId
	if made.origin == originExternal {
		made.state, made.material = keyPendingImport, nil
	}
	c.Resources = []core.Resource{{ARN: made.ARN, Type: keyType, Account: made.At.Account}}
	return core.Reply{"KeyMetadata": made.metadata()}, nil
}

// RequestTags are the condition keys of the tags in a request.
func RequestTags(tags map[string]string) map[string][]string {
	out := map[string][]string{}
	for key, value := range tags {
		out["aws:RequestTag/"+key] = []string{value}
	}
	if len(tags) > 0 {
		out["aws:TagKeys"] = slices.Sorted(maps.Keys(tags))
	}
	return out
}

func (k *Key) metadata() core.Reply {
	out := core.Reply{"KeyId": k.id, "Arn": k.ARN, "AWSAccountId": k.At.Account, "CreationDate": core.Epoch(k.created), "Description": k.description,
		"Enabled": k.stateNow() == keyEnabled, "KeyManager": k.Manager, "KeySpec": k.spec, "CustomerMasterKeySpec": k.spec, "KeyState": k.stateNow(),
		"KeyUsage": k.usage, "MultiRegion": k.multiRegion, "Origin": k.origin}
	if k.spec == symmetricSpec {
		out["EncryptionAlgorithms"] = []string{symmetricSpec}
	}
	if !k.deletion.IsZero() {
		out["DeletionDate"] = core.Epoch(k.deletion)
	}
	if k.state == keyPendingReplicaDeletion {
		out["PendingDeletionWindowInDays"] = k.window
	}
	k.external.describe(out)
	if k.store != nil {
		out["CustomKeyStoreId"] = k.store.id
	}
	if k.xksKeyID != "" {
		out["XksKeyConfiguration"] = core.Reply{"Id": k.xksKeyID}
	}
	if k.multiRegion {
		out["MultiRegionConfiguration"] = k.regions()
	}
	return out
}

func (k *Key) regions() core.Reply {
	kind, replicas := "PRIMARY", []any{}
	if k.primary != k.At {
		kind = "REPLICA"
	}
	for _, at := range k.replicas {
		replicas = append(replicas, core.Reply{"Arn": keyARN(at, k.id), "Region": at.Region})
	}
	return core.Reply{"MultiRegionKeyType": kind, "ReplicaKeys": replicas,
		"PrimaryKey": core.Reply{"Arn": keyARN(k.primary, k.id), "Region": k.primary.Region}}
}

func describeKey(c *core.Call) (any, error) {
	var in keyInput
	if err := c.Decode(&in); err != nil {
		return nil, err
	}
	found, err := authorizedKey(c, in.KeyId, nil)
	if err != nil {
		return nil, err
	}
	return core.Reply{"KeyMetadata": found.metadata()}, nil
}

// page answers one page of a list under a name; KMS pages by Marker.
func page(c *core.Call, name string, items []any, most int) (any, error) {
	var in struct {
		Limit  int
		Marker string
	}
	if err := c.Decode(&in); err != nil {
		return nil, err
	}
	from, to, next, err := core.Page(len(items), in.Marker, in.Limit, most)
	if err != nil {
		return nil, &core.Error{Code: "InvalidMarkerException", Message: "The marker is not valid."}
	}
	out := core.Reply{name: items[from:to], "Truncated": next != ""}
	if next != "" {
		out["NextMarker"] = next
	}
	return out, nil
}

func listKeys(c *core.Call) (any, error) {
	if err := c.Authorize(core.Access{Action: "kms:ListKeys"}); err != nil {
		return nil, err
	}
	items := []any{}
	for _, id := range slices.Sorted(maps.Keys(keysAt(c.AWS, c.Location).keys)) {
		if k := livingKey(c.AWS, c.Location, id); k != nil {
			items = append(items, core.Reply{"KeyId": k.id, "KeyArn": k.ARN})
		}
	}
	return page(c, "Keys", items, 1000)
}

func replicateKey(c *core.Call) (any, error) {
	var in struct {
		KeyId, ReplicaRegion, Description, Policy string
		Tags                                      []tag
	}
	if err := c.Decode(&in); err != nil {
		return nil, err
	}
	k, err := ownKey(c, in.KeyId, map[string][]string{"kms:ReplicaRegion": {in.ReplicaRegion}})
	if err != nil {
		return nil, err
	}
	at := core.Location{Account: c.Account, Region: in.ReplicaRegion}
	switch {
	case !k.multiRegion || k.primary != k.At:
		return nil, &core.Error{Code: "UnsupportedOperationException", Message: k.ARN + " is not a multi-region primary key."}
	case !c.AWS.HasRegion(in.ReplicaRegion):
		return nil, &core.Error{Code: "UnsupportedOperationException", Message: "The specified Region " + in.ReplicaRegion + " is not supported."}
	case livingKey(c.AWS, at, k.id) != nil:
		return nil, &core.Error{Code: "AlreadyExistsException", Message: "Replica key already exists in " + in.ReplicaRegion + " region"}
	}
	if err := k.Usable(); err != nil {
		return nil, err
	}
	if len(in.Tags) > 0 { // API reference, ReplicateKey, Required permissions: kms:TagResource in an IAM policy; the replica has no key policy yet
		given := map[string]string{}
		for _, tag := range in.Tags {
			given[tag.TagKey] = tag.TagValue
		}
		if err := c.Authorize(core.Access{Action: "kms:TagResource", Resource: keyARN(at, k.id), ResourcePolicy: defaultKeyPolicy(at), Context: RequestTags(given)}); err != nil {
			return nil, err
		}
	}
	made := newKey(c.AWS, at, k.id)
	made.multiRegion, made.primary, made.material, made.description = true, k.At, k.material, cmp.Or(in.Description, k.description)
	made.Policy = cmp.Or(in.Policy, made.Policy)
	for _, tag := range in.Tags {
		made.tags[tag.TagKey] = tag.TagValue
	}
	k.replicas = append(k.replicas, at)
	return core.Reply{"ReplicaKeyMetadata": made.metadata(), "ReplicaPolicy": made.Policy, "ReplicaTags": in.Tags}, nil
}

func tagKey(c *core.Call) (any, error) {
	var in struct {
		KeyId string
		Tags  []tag
	}
	if err := c.Decode(&in); err != nil {
		return nil, err
	}
	tags := map[string]string{}
	for _, tag := range in.Tags {
		tags[tag.TagKey] = tag.TagValue
	}
	k, err := ownKey(c, in.KeyId, RequestTags(tags))
	if err != nil {
		return nil, err
	}
	if err := k.notPendingDeletion(); err != nil {
		return nil, err
	}
	maps.Copy(k.tags, tags)
	return nil, nil
}

func untagKey(c *core.Call) (any, error) {
	var in struct {
		KeyId   string
		TagKeys []string
	}
	if err := c.Decode(&in); err != nil {
		return nil, err
	}
	k, err := ownKey(c, in.KeyId, map[string][]string{"aws:TagKeys": in.TagKeys})
	if err != nil {
		return nil, err
	}
	for _, name := range in.TagKeys {
		delete(k.tags, name)
	}
	return nil, nil
}

func listKeyTags(c *core.Call) (any, error) {
	var in keyInput
	if err := c.Decode(&in); err != nil {
		return nil, err
	}
	k, err := ownKey(c, in.KeyId, nil)
	if err != nil {
		return nil, err
	}
	items := []any{}
	for _, name := range slices.Sorted(maps.Keys(k.tags)) {
		items = append(items, tag{name, k.tags[name]})
	}
	return page(c, "Tags", items, 50)
}

func getKeyPolicy(c *core.Call) (any, error) {
	var in struct{ KeyId, PolicyName string }
	if err := c.Decode(&in); err != nil {
		return nil, err
	}
	k, err := ownKey(c, in.KeyId, nil)
	if err != nil {
		return nil, err
	}
	of := map[string]string{"default": k.Policy, "AWS_RAM": k.Shared}
	name := cmp.Or(in.PolicyName, "default")
	if of[name] == "" {
		return nil, &core.Error{Code: "NotFoundException", Message: "No such policy exists"}
	}
	return core.Reply{"Policy": of[name], "PolicyName": name}, nil
}

func putKeyPolicy(c *core.Call) (any, error) {
	var in struct {
		KeyId, Policy                  string
		BypassPolicyLockoutSafetyCheck bool
	}
	if err := c.Decode(&in); err != nil {
		return nil, err
	}
	k, err := ownKey(c, in.KeyId, nil)
	if err != nil {
		return nil, err
	}
	if err := checkKeyPolicy(c, in.Policy, in.BypassPolicyLockoutSafetyCheck); err != nil {
		return nil, err
	}
	k.Policy = in.Policy
	return nil, nil
}

// checkKeyPolicy refuses what is not a policy, and what would lock the caller out of changing it again.
func checkKeyPolicy(c *core.Call, text string, bypass bool) error {
	if core.CheckDocument(text) != nil {
		return &core.Error{Code: "MalformedPolicyDocumentException", Message: "Policy contains a statement that is not valid."}
	}
	if namesDeleted(text) {
		return &core.Error{Code: "MalformedPolicyDocumentException", Message: "Policy contains a statement with one or more invalid principals."}
	}
	if bypass || c.Caller.Service != "" {
		return nil
	}
	asked := core.Access{Action: "kms:PutKeyPolicy", Resource: keyARN(c.Location, "new"), ResourcePolicy: text, ResourceMustAllow: true, Owner: c.Account,
		Context: map[string][]string{"kms:CallerAccount": {c.Caller.Account}}}
	if c.Authorize(asked) != nil {
		return &core.Error{Code: "MalformedPolicyDocumentException", Message: "The new key policy will not allow you to update the key policy in the future."}
	}
	return nil
}

// namesDeleted reports whether a policy names a user or role by its unique id, as policies do that named one who was deleted since.
// Source: IAM User Guide, "AWS JSON policy elements: Principal": such a policy cannot be saved.
func namesDeleted(text string) bool {
	d, err := policy.Parse("key policy", []byte(text))
	if err != nil {
		return false
	}
	return slices.ContainsFunc(d.Statements, func(s policy.Statement) bool {
		return slices.ContainsFunc([]*policy.PrincipalSet{s.Principal, s.NotPrincipal}, func(set *policy.PrincipalSet) bool {
			return set != nil && slices.ContainsFunc(set.AWS, func(name string) bool { return strings.HasPrefix(name, "AROA") || strings.HasPrefix(name, "AIDA") })
		})
	})
}

func getKeyLastUsage(c *core.Call) (any, error) {
	var in keyInput
	if err := c.Decode(&in); err != nil {
		return nil, err
	}
	k, err := ownKey(c, in.KeyId, nil)
	if err != nil {
		return nil, err
	}
	out := core.Reply{"KeyId": k.id, "KeyCreationDate": core.Epoch(k.created), "TrackingStartDate": core.Epoch(k.created)}
	if !k.last.at.IsZero() {
		out["KeyLastUsage"] = core.Reply{"Operation": k.last.operation, "Timestamp": core.Epoch(k.last.at), "CloudTrailEventId": k.last.eventID, "KmsRequestId": k.last.requestID}
	}
	return out, nil
}

// Share has AWS RAM keep a policy for a key, as one that is shared has it. What the policy lets in is not enforced here: how AWS
// evaluates it is on no page.
func Share(a *core.AWS, keyARN, policy string) error {
	a.Lock()
	defer a.Unlock()
	at, _, _ := a.Locate(keyARN, "kms")
	k, err := FindKey(a, at, keyARN)
	if err == nil {
		k.Shared = policy
	}
	return err
}

// KeyWithID makes a customer managed key with an id of the caller's choice, as a configuration names it, and returns its
// ARN. An empty policy is the one KMS gives a key by default.
func KeyWithID(a *core.AWS, accountID, region, id, policy string) string {
	a.Lock()
	defer a.Unlock()
	made := newKey(a, core.Location{Account: accountID, Region: region}, id)
	made.primary = made.At
	made.Policy = cmp.Or(policy, made.Policy)
	return made.ARN
}
