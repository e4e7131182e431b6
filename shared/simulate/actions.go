package simulate

import (
	_ "embed"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/doublelock/doublelock/shared/policy"
)

// reference has the actions of each service, a service a line: its prefix, and the names.
// Source: Service Authorization Reference. The drift test compares it.
//
//go:embed actions.txt
var reference string

// actionsOf are the actions of each service of the reference.
var actionsOf = sync.OnceValue(func() map[string][]string {
	out := map[string][]string{}
	for line := range strings.Lines(reference) {
		if fields := strings.Fields(line); len(fields) > 0 {
			out[fields[0]] = fields[1:]
		}
	}
	return out
})

// ActionsOf are the names of the actions of a service, as the reference had them.
func ActionsOf(service string) []string { return actionsOf()[service] }

// Authorizes are the actions by which calls are authorized that are not named like one, or that take another one, too. Of several, which ones a
// call takes depends on its parameters.
// Source: S3 User Guide, "Required permissions for Amazon S3 API operations"; Lambda, Bedrock Runtime, SQS and SNS API References, Invoke,
// Converse, SendMessageBatch and PublishBatch; DynamoDB Developer Guide, "IAM security policies with PartiQL" and "Transactions: how it works".
var Authorizes = map[string][]string{
	"bedrock:Converse": {"InvokeModel"}, "bedrock:ConverseStream": {"InvokeModelWithResponseStream"},
	"dynamodb:BatchExecuteStatement": partiQL, "dynamodb:ExecuteStatement": partiQL, "dynamodb:ExecuteTransaction": partiQL,
	"dynamodb:TransactGetItems": {"GetItem"}, "dynamodb:TransactWriteItems": {"ConditionCheckItem", "DeleteItem", "PutItem", "UpdateItem"},
	"lambda:Invoke": {"InvokeFunction"}, "lambda:InvokeWithResponseStream": {"InvokeFunction"}, "lambda:GetLayerVersionByArn": {"GetLayerVersion"},
	"sns:PublishBatch":                 {"Publish"},
	"sqs:ChangeMessageVisibilityBatch": {"ChangeMessageVisibility"}, "sqs:DeleteMessageBatch": {"DeleteMessage"}, "sqs:SendMessageBatch": {"SendMessage"},

	"s3:ListBuckets": {"ListAllMyBuckets"}, "s3:HeadBucket": {"ListBucket"}, "s3:ListObjects": {"ListBucket"}, "s3:ListObjectsV2": {"ListBucket"},
	"s3:ListObjectVersions": {"ListBucketVersions"}, "s3:ListMultipartUploads": {"ListBucketMultipartUploads"}, "s3:ListParts": {"ListMultipartUploadParts"},
	"s3:GetObject": readObject, "s3:HeadObject": readObject, "s3:CopyObject": append(slices.Clone(readObject), writeObject...),
	"s3:CreateMultipartUpload": writeObject, "s3:UploadPart": {"PutObject"}, "s3:UploadPartCopy": append(slices.Clone(readObject), "PutObject"),
	"s3:CompleteMultipartUpload": {"PutObject"}, "s3:DeleteObject": deleteObject, "s3:DeleteObjects": deleteObject,
	"s3:GetBucketEncryption": {"GetEncryptionConfiguration"}, "s3:PutBucketEncryption": {"PutEncryptionConfiguration"}, "s3:DeleteBucketEncryption": {"PutEncryptionConfiguration"},
	"s3:GetBucketLifecycle": {"GetLifecycleConfiguration"}, "s3:PutBucketLifecycle": {"PutLifecycleConfiguration"}, "s3:DeleteBucketLifecycle": {"PutLifecycleConfiguration"},
	"s3:GetBucketLifecycleConfiguration": {"GetLifecycleConfiguration"}, "s3:PutBucketLifecycleConfiguration": {"PutLifecycleConfiguration"},
	"s3:GetBucketReplication": {"GetReplicationConfiguration"}, "s3:PutBucketReplication": {"PutReplicationConfiguration"}, "s3:DeleteBucketReplication": {"PutReplicationConfiguration"},
	"s3:DeleteBucketTagging": {"PutBucketTagging"}, "s3:GetBucketCors": {"GetBucketCORS"}, "s3:PutBucketCors": {"PutBucketCORS"}, "s3:DeleteBucketCors": {"PutBucketCORS"},
	"s3:GetObjectLockConfiguration": {"GetBucketObjectLockConfiguration"}, "s3:PutObjectLockConfiguration": {"PutBucketObjectLockConfiguration"},
	"s3:GetBucketNotificationConfiguration": {"GetBucketNotification"}, "s3:PutBucketNotificationConfiguration": {"PutBucketNotification"},

	"kms:ReEncrypt": {"ReEncrypt"}, // of both keys, by actions of their own: addKeyNeeds
}

var (
	partiQL      = []string{"PartiQLDelete", "PartiQLInsert", "PartiQLSelect", "PartiQLUpdate"}
	readObject   = []string{"GetObject", "GetObjectVersion"}
	writeObject  = []string{"PutObject", "PutObjectAcl", "PutObjectLegalHold", "PutObjectRetention", "PutObjectTagging"}
	deleteObject = []string{"DeleteObject", "DeleteObjectVersion"}
)

// apartFromOthers are the services whose calls all have an event source of their own: no call to another one is named after their actions.
var apartFromOthers = []string{"iam", "kms", "organizations", "secretsmanager"}

// actionsBehind are the actions of which a call may be, one for each that the candidates tell apart. CloudTrail has the name of the operation:
// where no action of the service is named so, the call may be authorized by any of them, or by one of that name of another service.
func (t *Trial) actionsBehind(call string) []string {
	found, is := t.behind.Load(call)
	if !is {
		found, _ = t.behind.LoadOrStore(call, t.behindOf(call))
	}
	return found.([]string)
}

func (t *Trial) behindOf(call string) []string {
	service, name, _ := strings.Cut(call, ":")
	service = strings.ToLower(service)
	if known := Authorizes[service+":"+name]; known != nil {
		return t.apart(service, known)
	}
	own := ActionsOf(service)
	if slices.ContainsFunc(own, func(action string) bool { return strings.EqualFold(action, name) }) {
		return []string{call}
	}
	out := t.apart(service, append([]string{name}, own...))
	for other, actions := range actionsOf() {
		switch {
		case other == service || slices.Contains(apartFromOthers, other):
		case own == nil:
			out = append(out, t.apart(other, actions)...)
		case slices.Contains(actions, name):
			out = append(out, other+":"+name)
		}
	}
	slices.Sort(out)
	return out
}

// apart are actions of a service, the first of those that the same statements are about.
func (t *Trial) apart(service string, names []string) []string {
	var out []string
	seen := map[string]bool{}
	for _, name := range names {
		action, about := service+":"+name, strings.Builder{}
		for _, documents := range [][]*policy.Document{t.scps, t.rcps} {
			for _, d := range documents {
				for i := range d.Statements {
					about.WriteString(strconv.FormatBool(d.Statements[i].About(action)))
				}
			}
		}
		if !seen[about.String()] {
			seen[about.String()] = true
			out = append(out, action)
		}
	}
	return out
}
