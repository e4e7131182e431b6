package conformance

// The second set: what was asked with session policies, asked again with a service control policy on an OU that holds the
// sandbox account and nothing else.
func organizationQuestions() []Question {
	return []Question{
		{ID: "organizations.scp.empty-key", Row: 1, Title: "Under an SCP: which secretsmanager:KmsKeyArn has an UpdateSecret with an empty key?", Document: keyCondition, Need: NeedsOrganization,
			Calls: calls(asRole, setKey, policies), Choices: emptyKeyChoices(), Assumed: Absent, Control: maySetKeys, Play: emptyKeyCondition(bySCP)},
		{ID: "organizations.scp.alias", Row: 2, Title: "Under an SCP: is an alias resolved before secretsmanager:KmsKeyArn is compared?", Document: keyCondition, Need: NeedsOrganization,
			Calls: calls(asRole, newAlias, policies), Choices: aliasChoices(), Assumed: Resolved, Control: mayNameAlias, Play: aliasCondition(bySCP)},
		{ID: LayerSCP, Row: 3, Title: "Under an SCP: does the KMS layer stop UpdateSecret with an empty key?", Document: encryption, Need: NeedsOrganization,
			Calls: calls(asRole, setKey, policies), Choices: layerChoices("going back to the AWS managed key is stopped by the KMS layer"), Assumed: Refused, Control: maySetKeys, Play: layerEmptyKey(bySCP)},
	}
}
