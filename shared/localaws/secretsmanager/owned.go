package secretsmanager

import "github.com/doublelock/doublelock/shared/localaws/core"

// owningServiceTag is the tag by which a service says that a secret is its own.
const owningServiceTag = "aws:secretsmanager:owningService"

// ServiceOwnedSecret makes a secret that another AWS service owns, e.g. "rds", under a key ("" is the AWS managed
// one), with a generated value and managed rotation. It returns the ARN.
func ServiceOwnedSecret(a *core.AWS, accountID, region, service, name, keyID string) (string, error) {
	a.Lock()
	defer a.Unlock()
	p, who := core.Location{Account: accountID, Region: region}, core.ServiceCaller(accountID, a.Options.Partition.Service(service))
	input := map[string]any{"Name": service + "!" + name, "SecretString": a.Letters(28, core.MixedAlnum), "ClientRequestToken": a.UUID(),
		"Tags": []secretTag{{owningServiceTag, service}}}
	if keyID != "" {
		input["KmsKeyId"] = keyID
	}
	out, err := a.DoLocked(p, who, "secretsmanager", "CreateSecret", input)
	if err != nil {
		return "", err
	}
	arn, _ := out["ARN"].(string)
	s := findSecret(a, p, arn)
	s.rotation = &rotationConfig{enabled: true, rules: rotationRules{AutomaticallyAfterDays: 7}, next: a.Options.Now().UTC().AddDate(0, 0, 7)}
	return arn, nil
}
