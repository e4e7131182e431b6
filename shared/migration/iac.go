package migration

import "fmt"

// CodeLine is what an owner changes in the code that made a secret, so that it does not undo the migration.
// Sources: Terraform AWS provider, aws_secretsmanager_secret; CloudFormation, AWS::SecretsManager::Secret; CDK,
// aws-secretsmanager; Pulumi, aws.secretsmanager.Secret.
func CodeLine(tool, key string) string {
	switch tool {
	case "terraform":
		return fmt.Sprintf("kms_key_id = %q", key)
	case "cloudformation":
		return "KmsKeyId: " + key
	case "cdk":
		return fmt.Sprintf("encryptionKey: kms.Key.fromKeyArn(this, 'SecretsKey', '%s')", key)
	case "pulumi":
		return fmt.Sprintf("kmsKeyId: %q", key)
	case "cli", "sdk":
		return fmt.Sprintf("--kms-key-id %s", key)
	case "console":
		return "Encryption key: " + key
	}
	return "set the key to " + key + " in the code that makes the secret"
}
