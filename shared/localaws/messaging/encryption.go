package messaging

import (
	"github.com/doublelock/doublelock/shared/arn"
	"github.com/doublelock/doublelock/shared/localaws/core"
	"github.com/doublelock/doublelock/shared/localaws/kms"
)

// sealedUnder is what a queue or topic under a KMS key asks of those who use it: rights on the key, through the
// service. These calls are neither counted nor recorded; AWS caches their data keys for minutes.
type sealedUnder struct {
	core.Location
	service string // "sqs" or "sns"
	arn     string // of the queue or topic
	keyID   string // as the attribute KmsMasterKeyId has it; "" asks for nothing
}

func (q *queue) encryption() sealedUnder {
	return sealedUnder{q.Location, "sqs", q.arn(), q.attributes["KmsMasterKeyId"]}
}

func (t *topic) encryption() sealedUnder {
	return sealedUnder{t.Location, "sns", t.arn(), t.attributes["KmsMasterKeyId"]}
}

// toWrite and toRead are the actions on the key that sending and receiving take.
var (
	toWrite = []string{"GenerateDataKey", "Decrypt"}
	toRead  = []string{"Decrypt"}
)

func (s sealedUnder) context() map[string][]string {
	return map[string][]string{"kms:EncryptionContext:aws:" + s.service + ":arn": {s.arn}}
}

// by checks the rights of whoever makes the call.
func (s sealedUnder) by(c *core.Call, actions []string) error {
	if s.keyID == "" {
		return nil
	}
	k, err := s.key(c.AWS)
	if err != nil {
		return err
	}
	for _, action := range actions {
		sub := &core.Call{AWS: c.AWS, Location: s.Location, Service: "kms", Operation: action, Caller: c.Caller, Now: c.Now, Via: c.AWS.Options.Partition.Service(s.service)}
		if err := kms.AuthorizeKey(sub, k, "kms:"+action, s.context()); err != nil {
			return s.refused("AccessDenied", err)
		}
	}
	return nil
}

// byService checks the rights of an AWS service that delivers for a rule or topic. They can only come from the key's
// policy, which is why a key that AWS manages never lets it.
func (s sealedUnder) byService(a *core.AWS, principal, source string) error {
	if s.keyID == "" {
		return nil
	}
	k, err := s.key(a)
	if err != nil {
		return err
	}
	for _, action := range toWrite {
		context := s.context()
		context["kms:ViaService"] = []string{arn.PartitionOf(s.Region).Regional(s.service, s.Region)}
		on := core.Access{Action: "kms:" + action, Resource: k.ARN, ResourcePolicy: k.Policy, Owner: k.At.Account, AWSManagedKey: k.Manager == "AWS", Context: context}
		if err := permit(a, principal, source, on); err != nil {
			return s.refused("AccessDenied", err)
		}
	}
	return nil
}

func (s sealedUnder) key(a *core.AWS) (*kms.Key, error) {
	k, err := kms.FindKey(a, s.Location, s.keyID)
	if err != nil {
		return nil, s.refused("NotFound", err)
	}
	if err := k.Usable(); err != nil {
		if core.AsError(err).Code == "DisabledException" {
			return nil, s.refused("Disabled", err)
		}
		return nil, s.refused("InvalidState", err)
	}
	return k, nil
}

// refused is KMS's error as the service passes it on.
func (s sealedUnder) refused(code string, err error) error {
	prefix := map[string]string{"sqs": "Kms", "sns": "KMS"}[s.service]
	return &core.Error{Code: prefix + code, Message: core.AsError(err).Message}
}
