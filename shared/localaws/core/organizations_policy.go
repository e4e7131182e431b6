package core

import (
	"maps"
	"slices"
	"strconv"
	"unicode/utf8"

	"github.com/doublelock/doublelock/shared/policy"
)

func orgPolicyOperations() map[string]Operation {
	return map[string]Operation{
		"CreatePolicy":          createOrgPolicy,
		"UpdatePolicy":          updateOrgPolicy,
		"DeletePolicy":          deleteOrgPolicy,
		"DescribePolicy":        describeOrgPolicy,
		"ListPolicies":          listOrgPolicies,
		"ListPoliciesForTarget": listPoliciesForTarget,
		"ListTargetsForPolicy":  listTargetsForPolicy,
		"AttachPolicy":          attachOrgPolicy,
		"DetachPolicy":          detachOrgPolicy,
		"EnablePolicyType":      switchPolicyType(true),
		"DisablePolicyType":     switchPolicyType(false),
		"ListTagsForResource":   listPolicyTags,
	}
}

type orgPolicyInput struct {
	PolicyId, TargetId, Name, Description, Content, Type, Filter string
	Tags                                                         []tag
}

type tag struct{ Key, Value string }

// listPolicyTags answers the tags of a policy; other resources of Organizations have none here.
func listPolicyTags(c *Call) (any, error) {
	var in struct{ ResourceId string } //nolint:revive // AWS's own name
	if err := c.Decode(&in); err != nil {
		return nil, err
	}
	found, ok := c.AWS.organization.policies[in.ResourceId]
	if !ok {
		return nil, targetNotFound()
	}
	tags := found.tags
	if tags == nil {
		tags = []tag{}
	}
	return Reply{"Tags": tags}, nil
}

func (o *organization) summary(p *orgPolicy) Reply {
	return Reply{"Id": p.id, "Arn": o.policyARN(p), "Name": p.name, "Description": p.description, "Type": p.kind, "AwsManaged": p.aws}
}

// checkOrgPolicy refuses what AWS would not take as a policy of a type. The rules of RCPs are checked as they are documented; SCPs
// are taken as soon as they are policies.
func checkOrgPolicy(kindName, content string) error {
	kind, known := kindNamed(kindName)
	if !known {
		return &Error{Code: "InvalidInputException", Message: "You specified an invalid value.", Fields: map[string]any{"Reason": "INVALID_ENUM_POLICY_TYPE"}}
	}
	if n := utf8.RuneCountInString(content); n > kind.size {
		return constraint("POLICY_CONTENT_LIMIT_EXCEEDED", "You have exceeded the number of characters in the policy: "+
			strconv.Itoa(n)+" of "+strconv.Itoa(kind.size)+".")
	}
	document := policy.Read("policy", []byte(content))
	if CheckDocument(content) != nil || kind.of == policy.TypeRCP && len(document.Check(kind.of, nil)) > 0 {
		return &Error{Code: "MalformedPolicyDocumentException", Message: "The provided policy document does not meet the requirements of the specified policy type."}
	}
	return nil
}

func constraint(reason, message string) error {
	return &Error{Code: "ConstraintViolationException", Message: message, Fields: map[string]any{"Reason": reason}}
}

func createOrgPolicy(c *Call) (any, error) {
	var in orgPolicyInput
	if err := c.Decode(&in); err != nil {
		return nil, err
	}
	if err := checkOrgPolicy(in.Type, in.Content); err != nil {
		return nil, err
	}
	o := c.AWS.organization
	for _, p := range o.policies {
		if p.name == in.Name && p.kind == in.Type {
			return nil, &Error{Code: "DuplicatePolicyException", Message: "A policy with the same name already exists."}
		}
	}
	made := &orgPolicy{id: "p-" + c.AWS.Letters(8, lowerAlnum), name: in.Name, description: in.Description, content: in.Content, kind: in.Type, tags: in.Tags}
	o.policies[made.id] = made
	return o.full(made), nil
}

func (o *organization) full(p *orgPolicy) Reply {
	return Reply{"Policy": Reply{"PolicySummary": o.summary(p), "Content": p.content}}
}

func (c *Call) orgPolicy() (orgPolicyInput, *orgPolicy, error) {
	var in orgPolicyInput
	if err := c.Decode(&in); err != nil {
		return in, nil, err
	}
	found, ok := c.AWS.organization.policies[in.PolicyId]
	if !ok {
		return in, nil, &Error{Code: "PolicyNotFoundException", Message: "We can't find a policy with the PolicyId that you specified."}
	}
	return in, found, nil
}

func notChangeable(p *orgPolicy) error {
	if p.aws {
		return &Error{Code: "PolicyChangesInProgressException", Message: "You can't change an AWS managed policy."}
	}
	return nil
}

func updateOrgPolicy(c *Call) (any, error) {
	in, found, err := c.orgPolicy()
	if err != nil {
		return nil, err
	}
	if err := notChangeable(found); err != nil {
		return nil, err
	}
	if in.Content != "" {
		if err := checkOrgPolicy(found.kind, in.Content); err != nil {
			return nil, err
		}
		found.content = in.Content
	}
	if in.Name != "" {
		found.name = in.Name
	}
	if in.Description != "" {
		found.description = in.Description
	}
	c.AWS.organization.changed()
	return c.AWS.organization.full(found), nil
}

func deleteOrgPolicy(c *Call) (any, error) {
	_, found, err := c.orgPolicy()
	if err != nil {
		return nil, err
	}
	if err := notChangeable(found); err != nil {
		return nil, err
	}
	for _, ids := range c.AWS.organization.attached {
		if slices.Contains(ids, found.id) {
			return nil, &Error{Code: "PolicyInUseException", Message: "The policy is attached to one or more entities."}
		}
	}
	delete(c.AWS.organization.policies, found.id)
	return nil, nil
}

func describeOrgPolicy(c *Call) (any, error) {
	_, found, err := c.orgPolicy()
	if err != nil {
		return nil, err
	}
	return c.AWS.organization.full(found), nil
}

func listOrgPolicies(c *Call) (any, error) {
	var in orgPolicyInput
	if err := c.Decode(&in); err != nil {
		return nil, err
	}
	o, items := c.AWS.organization, []any{}
	for _, id := range slices.Sorted(maps.Keys(o.policies)) {
		if o.policies[id].kind == in.Filter {
			items = append(items, o.summary(o.policies[id]))
		}
	}
	return orgPage(c, "Policies", items)
}

func targetNotFound() error {
	return &Error{Code: "TargetNotFoundException", Message: "We can't find a root, OU, account, or policy with the TargetId that you specified."}
}

func listPoliciesForTarget(c *Call) (any, error) {
	var in orgPolicyInput
	if err := c.Decode(&in); err != nil {
		return nil, err
	}
	o, items := c.AWS.organization, []any{}
	if !o.exists(in.TargetId) {
		return nil, targetNotFound()
	}
	for _, id := range o.attached[in.TargetId] {
		if o.policies[id].kind == in.Filter {
			items = append(items, o.summary(o.policies[id]))
		}
	}
	return orgPage(c, "Policies", items)
}

func (o *organization) nameOf(target string) (arn, name string) {
	if m := o.members[target]; m != nil {
		return o.arn("account", target), m.name
	}
	if target == o.rootID {
		return o.arn("root", target), "Root"
	}
	return o.arn("ou", target), o.units[target].name
}

func listTargetsForPolicy(c *Call) (any, error) {
	_, found, err := c.orgPolicy()
	if err != nil {
		return nil, err
	}
	o, items := c.AWS.organization, []any{}
	for _, target := range slices.Sorted(maps.Keys(o.attached)) {
		if slices.Contains(o.attached[target], found.id) {
			arn, name := o.nameOf(target)
			items = append(items, Reply{"TargetId": target, "Arn": arn, "Name": name, "Type": o.typeOf(target)})
		}
	}
	return orgPage(c, "Targets", items)
}

func attachOrgPolicy(c *Call) (any, error) {
	in, found, err := c.orgPolicy()
	if err != nil {
		return nil, err
	}
	o := c.AWS.organization
	kind, _ := kindNamed(found.kind) // as it was when it was made
	switch {
	case !o.exists(in.TargetId):
		return nil, targetNotFound()
	case o.disabled[found.kind]:
		return nil, &Error{Code: "PolicyTypeNotEnabledException", Message: "The specified policy type isn't currently enabled in this root."}
	case slices.Contains(o.attached[in.TargetId], found.id):
		return nil, &Error{Code: "DuplicatePolicyAttachmentException", Message: "The selected policy is already attached to the specified target."}
	case o.count(kind.name, in.TargetId) >= kind.most:
		return nil, constraint("MAX_POLICY_TYPE_ATTACHMENT_LIMIT_EXCEEDED", "You attempted to exceed the number of policies of a certain type that can be attached to an entity at one time.")
	}
	o.attached[in.TargetId] = append(slices.Clone(o.attached[in.TargetId]), found.id)
	o.changed()
	return nil, nil
}

func detachOrgPolicy(c *Call) (any, error) {
	in, found, err := c.orgPolicy()
	if err != nil {
		return nil, err
	}
	o := c.AWS.organization
	at := slices.Index(o.attached[in.TargetId], found.id)
	kind, _ := kindNamed(found.kind)
	switch {
	case !o.exists(in.TargetId):
		return nil, targetNotFound()
	case at < 0:
		return nil, &Error{Code: "PolicyNotAttachedException", Message: "The policy isn't attached to the specified target in the specified root."}
	case found.id == kind.full && kind.unless != "":
		return nil, &Error{Code: "ConstraintViolationException", Message: kind.unless}
	case o.count(kind.name, in.TargetId) == 1:
		return nil, constraint("MIN_POLICY_TYPE_ATTACHMENT_LIMIT_EXCEEDED", "You attempted to detach the last policy of a certain type from an entity.")
	}
	o.attached[in.TargetId] = slices.Delete(slices.Clone(o.attached[in.TargetId]), at, at+1)
	o.changed()
	return nil, nil
}

// count is how many policies of a type are on a target.
func (o *organization) count(kind, target string) (n int) {
	for _, id := range o.attached[target] {
		if o.policies[id].kind == kind {
			n++
		}
	}
	return n
}

// switchType switches a type of policies on or off. Everything of it is detached when it is switched off, and when it is switched on
// AWS's own policy is attached everywhere.
// Source: AWS Organizations User Guide, "Disabling a policy type" and "Enabling a policy type".
func (o *organization) switchType(kind policyKind, on bool) {
	o.disabled[kind.name] = !on
	for target, ids := range o.attached {
		ids = slices.DeleteFunc(slices.Clone(ids), func(id string) bool { return o.policies[id].kind == kind.name })
		if on {
			ids = append(ids, kind.full)
		}
		o.attached[target] = ids
	}
	o.changed()
}

// attachedFirst are AWS's own policies of the types that are switched on: what a new target has.
func (o *organization) attachedFirst() (ids []string) {
	for _, kind := range policyKinds {
		if !o.disabled[kind.name] {
			ids = append(ids, kind.full)
		}
	}
	return ids
}

func switchPolicyType(on bool) Operation {
	return func(c *Call) (any, error) {
		var in struct{ RootId, PolicyType string }
		if err := c.Decode(&in); err != nil {
			return nil, err
		}
		o := c.AWS.organization
		kind, known := kindNamed(in.PolicyType)
		if !known {
			return nil, &Error{Code: "InvalidInputException", Message: "You specified an invalid value.", Fields: map[string]any{"Reason": "INVALID_ENUM_POLICY_TYPE"}}
		}
		if on == !o.disabled[in.PolicyType] {
			if on {
				return nil, &Error{Code: "PolicyTypeAlreadyEnabledException", Message: "The specified policy type is already enabled in the specified root."}
			}
			return nil, &Error{Code: "PolicyTypeNotEnabledException", Message: "The specified policy type isn't currently enabled in this root."}
		}
		o.switchType(kind, on)
		root, err := listRoots(c)
		if err != nil {
			return nil, err
		}
		return Reply{"Root": root.(Reply)["Roots"].([]any)[0]}, nil
	}
}
