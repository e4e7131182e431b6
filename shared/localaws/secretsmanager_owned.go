package localaws

// ServiceOwnedSecret makes a secret that another AWS service owns, e.g. "rds", under a key ("" is the AWS managed
// one), with a generated value and managed rotation. It returns the ARN.
func (a *AWS) ServiceOwnedSecret(accountID, region, service, name, keyID string) (string, error) {
	a.lock()
	defer a.unlock()
	p, who := location{accountID, region}, serviceCaller(accountID, service+".amazonaws.com")
	input := map[string]any{"Name": service + "!" + name, "SecretString": a.letters(28, mixedAlnum), "ClientRequestToken": a.uuid(),
		"Tags": []secretTag{{"aws:secretsmanager:owningService", service}}}
	if keyID != "" {
		input["KmsKeyId"] = keyID
	}
	out, err := a.doLocked(p, who, "secretsmanager", "CreateSecret", input)
	if err != nil {
		return "", err
	}
	arn, _ := out["ARN"].(string)
	s := a.find(p, arn)
	s.owning = service
	s.rotation = &rotationConfig{enabled: true, rules: rotationRules{AutomaticallyAfterDays: 7}, next: a.options.Now().UTC().AddDate(0, 0, 7)}
	return arn, nil
}
