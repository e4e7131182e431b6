package localaws

import (
	"cmp"
	"maps"
	"slices"
	"strings"
)

func kmsKeyOperations() map[string]operation {
	return map[string]operation{
		"CreateKey":            createKey,
		"DescribeKey":          describeKey,
		"ListKeys":             listKeys,
		"ReplicateKey":         replicateKey,
		"UpdateKeyDescription": updateKeyDescription,
		"TagResource":          tagKey,
		"UntagResource":        untagKey,
		"ListResourceTags":     listKeyTags,
		"GetKeyPolicy":         getKeyPolicy,
		"PutKeyPolicy":         putKeyPolicy,
		"ListKeyPolicies":      listKeyPolicies,
		"GetKeyLastUsage":      getKeyLastUsage,
	}
}

type kmsTag struct{ TagKey, TagValue string }

type createKeyInput struct {
	KeySpec, CustomerMasterKeySpec, KeyUsage, Origin, Description, Policy string
	MultiRegion, BypassPolicyLockoutSafetyCheck                           bool
	Tags                                                                  []kmsTag
}

func createKey(c *call) (any, error) {
	var in createKeyInput
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	tags := map[string]string{}
	for _, tag := range in.Tags {
		tags[tag.TagKey] = tag.TagValue
	}
	if err := c.authorize(access{Action: "kms:CreateKey", Context: requestTags(tags)}); err != nil {
		return nil, err
	}
	if in.Policy != "" {
		if err := c.checkKeyPolicy(in.Policy, in.BypassPolicyLockoutSafetyCheck); err != nil {
			return nil, err
		}
	}
	id := c.aws.uuid()
	if in.MultiRegion {
		id = "mrk-" + strings.ReplaceAll(id, "-", "")
	}
	made := c.aws.newKey(c.location, id)
	made.tags, made.description, made.multiRegion = tags, in.Description, in.MultiRegion
	made.primary = c.location
	made.spec = cmp.Or(cmp.Or(in.KeySpec, in.CustomerMasterKeySpec), made.spec)
	made.usage, made.origin, made.policy = cmp.Or(in.KeyUsage, made.usage), cmp.Or(in.Origin, made.origin), cmp.Or(in.Policy, made.policy)
	if made.origin == "EXTERNAL" {
		made.state = "PendingImport"
	}
	c.resources = []resource{{ARN: made.arn, Type: "AWS::KMS::Key", Account: made.at.Account}}
	return reply{"KeyMetadata": made.metadata()}, nil
}

func requestTags(tags map[string]string) map[string][]string {
	out := map[string][]string{}
	for key, value := range tags {
		out["aws:RequestTag/"+key] = []string{value}
	}
	if len(tags) > 0 {
		out["aws:TagKeys"] = slices.Sorted(maps.Keys(tags))
	}
	return out
}

func (k *kmsKey) metadata() reply {
	out := reply{"KeyId": k.id, "Arn": k.arn, "AWSAccountId": k.at.Account, "CreationDate": epoch(k.created), "Description": k.description,
		"Enabled": k.state == keyEnabled, "KeyManager": k.manager, "KeySpec": k.spec, "CustomerMasterKeySpec": k.spec, "KeyState": k.state,
		"KeyUsage": k.usage, "MultiRegion": k.multiRegion, "Origin": k.origin}
	if k.spec == "SYMMETRIC_DEFAULT" {
		out["EncryptionAlgorithms"] = []string{"SYMMETRIC_DEFAULT"}
	}
	if !k.deletion.IsZero() {
		out["DeletionDate"] = epoch(k.deletion)
	}
	if k.state == keyPendingReplicaDeletion {
		out["PendingDeletionWindowInDays"] = k.window
	}
	if k.multiRegion {
		out["MultiRegionConfiguration"] = k.regions()
	}
	return out
}

func (k *kmsKey) regions() reply {
	kind, replicas := "PRIMARY", []any{}
	if k.primary != k.at {
		kind = "REPLICA"
	}
	for _, at := range k.replicas {
		replicas = append(replicas, reply{"Arn": keyARN(at, k.id), "Region": at.Region})
	}
	return reply{"MultiRegionKeyType": kind, "ReplicaKeys": replicas,
		"PrimaryKey": reply{"Arn": keyARN(k.primary, k.id), "Region": k.primary.Region}}
}

func describeKey(c *call) (any, error) {
	var in keyInput
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	found, err := c.key(in.KeyId, nil)
	if err != nil {
		return nil, err
	}
	return reply{"KeyMetadata": found.metadata()}, nil
}

// kmsPage answers one page of a list under a name; KMS pages by Marker.
func kmsPage(c *call, name string, items []any, most int) (any, error) {
	var in struct {
		Limit  int
		Marker string
	}
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	from, to, next, err := page(len(items), in.Marker, in.Limit, most)
	if err != nil {
		return nil, &apiError{Code: "InvalidMarkerException", Message: "The marker is not valid."}
	}
	out := reply{name: items[from:to], "Truncated": next != ""}
	if next != "" {
		out["NextMarker"] = next
	}
	return out, nil
}

func listKeys(c *call) (any, error) {
	if err := c.authorize(access{Action: "kms:ListKeys"}); err != nil {
		return nil, err
	}
	items := []any{}
	for _, id := range slices.Sorted(maps.Keys(keysAt(c.aws, c.location).keys)) {
		if k := c.aws.livingKey(c.location, id); k != nil {
			items = append(items, reply{"KeyId": k.id, "KeyArn": k.arn})
		}
	}
	return kmsPage(c, "Keys", items, 1000)
}

func replicateKey(c *call) (any, error) {
	var in struct {
		KeyId, ReplicaRegion, Description, Policy string
		Tags                                      []kmsTag
	}
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	k, err := c.ownKey(in.KeyId, map[string][]string{"kms:ReplicaRegion": {in.ReplicaRegion}})
	if err != nil {
		return nil, err
	}
	at := location{c.Account, in.ReplicaRegion}
	switch {
	case !k.multiRegion || k.primary != k.at:
		return nil, &apiError{Code: "UnsupportedOperationException", Message: k.arn + " is not a multi-region primary key."}
	case c.aws.livingKey(at, k.id) != nil:
		return nil, &apiError{Code: "AlreadyExistsException", Message: "Replica key already exists in " + in.ReplicaRegion + " region"}
	}
	if err := k.usable(); err != nil {
		return nil, err
	}
	made := c.aws.newKey(at, k.id)
	made.multiRegion, made.primary, made.material, made.description = true, k.at, k.material, cmp.Or(in.Description, k.description)
	made.policy = cmp.Or(in.Policy, made.policy)
	for _, tag := range in.Tags {
		made.tags[tag.TagKey] = tag.TagValue
	}
	k.replicas = append(k.replicas, at)
	return reply{"ReplicaKeyMetadata": made.metadata(), "ReplicaPolicy": made.policy, "ReplicaTags": in.Tags}, nil
}

func updateKeyDescription(c *call) (any, error) {
	var in struct{ KeyId, Description string }
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	k, err := c.ownKey(in.KeyId, nil)
	if err != nil {
		return nil, err
	}
	k.description = in.Description
	return nil, nil
}

func tagKey(c *call) (any, error) {
	var in struct {
		KeyId string
		Tags  []kmsTag
	}
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	tags := map[string]string{}
	for _, tag := range in.Tags {
		tags[tag.TagKey] = tag.TagValue
	}
	k, err := c.ownKey(in.KeyId, requestTags(tags))
	if err != nil {
		return nil, err
	}
	if err := k.notPendingDeletion(); err != nil {
		return nil, err
	}
	maps.Copy(k.tags, tags)
	return nil, nil
}

func untagKey(c *call) (any, error) {
	var in struct {
		KeyId   string
		TagKeys []string
	}
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	k, err := c.ownKey(in.KeyId, map[string][]string{"aws:TagKeys": in.TagKeys})
	if err != nil {
		return nil, err
	}
	for _, name := range in.TagKeys {
		delete(k.tags, name)
	}
	return nil, nil
}

func listKeyTags(c *call) (any, error) {
	var in keyInput
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	k, err := c.ownKey(in.KeyId, nil)
	if err != nil {
		return nil, err
	}
	items := []any{}
	for _, name := range slices.Sorted(maps.Keys(k.tags)) {
		items = append(items, kmsTag{name, k.tags[name]})
	}
	return kmsPage(c, "Tags", items, 50)
}

func getKeyPolicy(c *call) (any, error) {
	var in keyInput
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	k, err := c.ownKey(in.KeyId, nil)
	if err != nil {
		return nil, err
	}
	return reply{"Policy": k.policy, "PolicyName": "default"}, nil
}

func listKeyPolicies(c *call) (any, error) {
	var in keyInput
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	if _, err := c.ownKey(in.KeyId, nil); err != nil {
		return nil, err
	}
	return reply{"PolicyNames": []string{"default"}, "Truncated": false}, nil
}

func putKeyPolicy(c *call) (any, error) {
	var in struct {
		KeyId, Policy                  string
		BypassPolicyLockoutSafetyCheck bool
	}
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	k, err := c.ownKey(in.KeyId, nil)
	if err != nil {
		return nil, err
	}
	if err := c.checkKeyPolicy(in.Policy, in.BypassPolicyLockoutSafetyCheck); err != nil {
		return nil, err
	}
	k.policy = in.Policy
	return nil, nil
}

// checkKeyPolicy refuses what is not a policy, and what would lock the caller out of changing it again.
func (c *call) checkKeyPolicy(text string, bypass bool) error {
	if checkDocument(text) != nil {
		return &apiError{Code: "MalformedPolicyDocumentException", Message: "Policy contains a statement that is not valid."}
	}
	if bypass || c.Caller.Service != "" {
		return nil
	}
	asked := access{Action: "kms:PutKeyPolicy", Resource: keyARN(c.location, "new"), ResourcePolicy: text, ResourceMustAllow: true, Owner: c.Account,
		Context: map[string][]string{"kms:CallerAccount": {c.Caller.Account}}}
	if c.authorize(asked) != nil {
		return &apiError{Code: "MalformedPolicyDocumentException", Message: "The new key policy will not allow you to update the key policy in the future."}
	}
	return nil
}

func getKeyLastUsage(c *call) (any, error) {
	var in keyInput
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	k, err := c.ownKey(in.KeyId, nil)
	if err != nil {
		return nil, err
	}
	out := reply{"KeyId": k.id, "KeyCreationDate": epoch(k.created), "TrackingStartDate": epoch(k.created)}
	if !k.last.at.IsZero() {
		out["KeyLastUsage"] = reply{"Operation": k.last.operation, "Timestamp": epoch(k.last.at), "CloudTrailEventId": k.last.eventID, "KmsRequestId": k.last.requestID}
	}
	return out, nil
}

// KeyWithID makes a customer managed key with an id of the caller's choice, as a configuration names it, and returns its
// ARN. An empty policy is the one KMS gives a key by default.
func (a *AWS) KeyWithID(accountID, region, id, policy string) string {
	a.lock()
	defer a.unlock()
	made := a.newKey(location{accountID, region}, id)
	made.primary = made.at
	made.policy = cmp.Or(policy, made.policy)
	return made.arn
}
