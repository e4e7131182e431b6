package simulate

import (
	"cmp"
	"slices"
	"strings"

	"github.com/doublelock/doublelock/shared/arn"
	"github.com/doublelock/doublelock/shared/trail"
)

// passRole is no call of its own: it is authorized within the call that hands a role to a service.
const passRole = "iam:PassRole"

// passes are calls that take iam:PassRole on a role that they name, with the service that gets it. Of all others it is not known.
// Source: IAM User Guide, "Grant a user permissions to pass a role to an AWS service"; Service Authorization Reference, the actions of each
// service that depend on iam:PassRole; IAM API Reference, AddRoleToInstanceProfile.
var passes = map[string]string{
	"lambda:CreateFunction": "lambda", "lambda:UpdateFunctionConfiguration": "lambda",
	"ec2:RunInstances": "ec2", "ec2:AssociateIamInstanceProfile": "ec2", "ec2:ReplaceIamInstanceProfileAssociation": "ec2", "iam:AddRoleToInstanceProfile": "ec2",
	"ecs:RegisterTaskDefinition":     "ecs-tasks",
	"cloudformation:CreateStack":     "cloudformation",
	"cloudformation:UpdateStack":     "cloudformation",
	"codebuild:CreateProject":        "codebuild",
	"codebuild:UpdateProject":        "codebuild",
	"glue:CreateJob":                 "glue",
	"glue:UpdateJob":                 "glue",
	"states:CreateStateMachine":      "states",
	"states:UpdateStateMachine":      "states",
	"cloudformation:DeleteStack":     "cloudformation",
	"cloudformation:CreateChangeSet": "cloudformation",
}

// TagActions are the actions that tag, of the services in which that is not TagResource.
// Source: Service Authorization Reference, actions of the access level Tagging.
var TagActions = map[string]string{
	"acm-pca": "TagCertificateAuthority", "autoscaling": "CreateOrUpdateTags", "cloudsearch": "AddTags", "cloudtrail": "AddTags", "codestar": "TagProject",
	"datapipeline": "AddTags", "discovery": "CreateTags", "dms": "AddTagsToResource", "ds": "AddTagsToResource", "ec2": "CreateTags",
	"elasticache": "AddTagsToResource", "elasticbeanstalk": "AddTags", "elasticloadbalancing": "AddTags", "elasticmapreduce": "AddTags",
	"elemental-support-cases": "TagCase", "es": "AddTags", "firehose": "TagDeliveryStream", "glacier": "AddTagsToVault", "inspector": "SetTagsForResource",
	"lakeformation": "AddLFTagsToResource", "machinelearning": "AddTags", "medialive": "CreateTags", "mq": "CreateTags", "rds": "AddTagsToResource",
	"redshift": "CreateTags", "resource-groups": "Tag", "route53": "ChangeTagsForResource", "route53domains": "UpdateTagsForDomain",
	"s3-object-lambda": "PutObjectTagging", "s3-outposts": "PutBucketTagging", "sagemaker": "AddTags", "sqs": "TagQueue", "ssm": "AddTagsToResource",
	"storagegateway": "AddTagsToResource", "sts": "TagSession", "workspaces": "CreateTags",
}

// tagged are the services of which AWS documents that a call with tags takes the action that tags.
// Source: EC2 User Guide, "Grant permission to tag resources during creation"; Elastic Load Balancing User Guide, "ELB API permissions to tag
// resources during creation"; IAM User Guide, "Tags for IAM resources" and "Pass session tags in AWS STS".
var tagged = []string{"ec2", "elasticloadbalancing", "iam", "sts"}

// addDependents adds what a call takes because it hands over a role, or tags what it makes. Its parameters are nil where they are not
// known.
func (call *Call) addDependents(c trail.Change, request map[string]any) {
	service, name, _ := strings.Cut(call.Request.Action, ":")
	if service == "kms" || service == "secretsmanager" || strings.HasPrefix(name, "Get") || strings.HasPrefix(name, "List") || strings.HasPrefix(name, "Describe") {
		return // the first two are known in full
	}
	if service == "tag" {
		call.addTagged(name, request)
		return
	}
	partition := arn.PartitionOf(c.Region)
	role := func(name string) string { return partition.New("iam", "", c.Account, "role/*"+name).String() }
	to, sure := passes[call.Request.Action]
	pass := func(resource, unsure string) {
		out := call.permission(passRole, resource)
		out.NoResource = strings.Contains(resource, "*")
		if sure {
			out.Request.Context["iam:PassedToService"] = []string{partition.Service(to)}
		} else if unsure == "" {
			unsure = "whether this call takes iam:PassRole for a role that it names is not known here"
		}
		call.take(out, unsure)
	}
	switch {
	case !call.parametersKnown:
		pass(role(""), "whether the call handed over a role is not in its record")
	case request["launchTemplate"] != nil && sure:
		pass(role(""), "the launch template may have a role")
	}
	if service == "iam" && request != nil {
		if name := text(request["roleName"]); sure && name != "" {
			pass(role(name), "")
		}
		request = map[string]any{"tags": request["tags"]}
	}
	for _, given := range rolesIn(request, false) {
		switch at := arn.Of(given); {
		case at.Service == "iam" && strings.HasPrefix(at.Resource, "role/"):
			if service != "sts" { // which takes it itself
				pass(given, "")
			}
		case !sure:
		case at.Service == "iam" || service == "ec2": // an instance profile, whose role is not in the record
			pass(role(""), "")
		case at == (arn.ARN{}):
			pass(role(given), "")
		}
	}
	ofEC2 := partition.New("ec2", c.Region, c.Account, "*/*").String()
	switch {
	case strings.Contains(name, "Tag"):
	case hasTags(request):
		call.addTagging(ofEC2, "")
	case request["launchTemplate"] != nil:
		call.addTagging(ofEC2, "the launch template may have tags")
	case request == nil && (strings.HasPrefix(name, "Create") || strings.HasPrefix(name, "Run")):
		call.addTagging(ofEC2, "whether the call had tags is not in its record")
	}
}

// addDependentsOf does the same for a call that is written down, of which the context says whether it tags, and nothing what role it hands over.
func (call *Call) addDependentsOf(context map[string][]string) {
	if to, sure := passes[call.Request.Action]; sure {
		pass := call.permission(passRole, "")
		pass.Request.Context["iam:PassedToService"] = []string{arn.Standard.Service(to)}
		call.take(pass, "whether the call hands over a role is not in the request")
	}
	service, name, _ := strings.Cut(call.Request.Action, ":")
	if service == "kms" || service == "secretsmanager" || strings.Contains(name, "Tag") {
		return
	}
	for key, values := range context {
		if strings.EqualFold(key, "aws:TagKeys") && len(values) > 0 {
			call.addTagging("*", "")
		}
	}
}

// addTagging adds the action that tags what a call makes, which of EC2 is something of a pattern.
func (call *Call) addTagging(ofEC2, unsure string) {
	service, name, _ := strings.Cut(call.Request.Action, ":")
	action, listed := TagActions[service]
	if !listed {
		action = "TagResource"
	}
	resource, noResource := call.Request.Resource, call.NoResource
	switch service {
	case "ec2":
		resource, noResource = ofEC2, true
	case "iam":
		action = "Tag" + strings.NewReplacer("Create", "", "Upload", "", "Virtual", "").Replace(name)
	}
	if !slices.Contains(tagged, service) {
		unsure = "whether a call with tags takes the action that tags is not known of this service"
	}
	tag := call.permission(service+":"+action, resource)
	tag.NoResource, tag.unsurePath = noResource, call.unsurePath
	if service == "ec2" || service == "elasticloadbalancing" {
		tag.Request.Context[service+":CreateAction"] = []string{name}
	}
	call.take(tag, unsure)
}

// addTagged adds the action that tags, or takes tags away, of the service of each resource that a call to the Resource Groups Tagging API names.
// Source: Resource Groups Tagging API Reference, TagResources and UntagResources, "Minimum permissions".
func (call *Call) addTagged(name string, request map[string]any) {
	if name != "TagResources" && name != "UntagResources" {
		return
	}
	action := func(service string) string {
		own := cmp.Or(TagActions[service], "TagResource")
		switch {
		case name == "UntagResources":
			own = "UntagResource" // where it is no action, any of the service's may be it
		case service == "s3":
			own = "PutBucketTagging"
		}
		return service + ":" + own
	}
	tags, _ := request["tags"].(map[string]any)
	take := func(action, resource, unsure string) {
		tag := call.permission(action, resource)
		for key, value := range tags {
			tag.Request.Context["aws:RequestTag/"+key] = one(text(value))
			tag.Request.Context["aws:TagKeys"] = append(tag.Request.Context["aws:TagKeys"], key)
		}
		call.take(tag, unsure)
	}
	named := texts(request["resourceARNList"])
	for _, resource := range named {
		if service := arn.Of(resource).Service; service != "" {
			take(action(service), resource, "")
		}
	}
	if len(named) > 0 {
		return
	}
	for service := range actionsOf() {
		take(action(service), "", "which resources were tagged is not in the record")
	}
}

// chosen is how parameters begin in which the caller makes the names up, so that none of them says what its value is.
var chosen = []string{"tag", "environment", "variables", "parameters", "labels", "metadata", "defaultarguments"}

// rolesIn are the values of the parameters that name roles and instance profiles, those of a list or object under such a name among them.
func rolesIn(v any, named bool) []string {
	var out []string
	switch v := v.(type) {
	case map[string]any:
		for name, inner := range v {
			name = strings.ToLower(name)
			if slices.ContainsFunc(chosen, func(begin string) bool { return strings.HasPrefix(name, begin) }) {
				continue
			}
			profile := strings.Contains(name, "instanceprofile")
			_, deep := inner.(map[string]any)
			out = append(out, rolesIn(inner, profile || named && !deep || strings.Contains(name, "role") && !strings.Contains(name, "session"))...)
		}
	case []any:
		for _, inner := range v {
			out = append(out, rolesIn(inner, named)...)
		}
	case string:
		if named && v != "" {
			out = append(out, v)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// hasTags reports whether a call tags: whether a parameter whose name begins so has a list or object in it.
func hasTags(request map[string]any) bool {
	for name, v := range request {
		if name = strings.ToLower(name); !strings.HasPrefix(name, "tag") || name == "tagkeys" || name == "tagfilters" {
			continue
		}
		switch v := v.(type) {
		case map[string]any:
			if items, is := v["items"].([]any); len(v) > 0 && (!is || len(items) > 0) {
				return true
			}
		case []any:
			if len(v) > 0 {
				return true
			}
		}
	}
	return false
}
