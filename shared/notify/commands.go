package notify

import (
	"fmt"
	"strings"

	"github.com/doublelock/doublelock/shared/arn"
	"github.com/doublelock/doublelock/shared/awscli"
	"github.com/doublelock/doublelock/shared/guard"
)

// The commands below are run as they are printed, by people who do not read on: each does what it says, or fails and
// changes nothing.

// valueFile is what an owner replaces by the name of a file. There is none of that name, so the command fails until then.
const valueFile = "NEW-VALUE-FILE"

// onSecret is a command of Secrets Manager on a secret or a replica, in its own Region.
func onSecret(operation, secret, more string) string {
	return awscli.OnSecret(operation, OneLine(secret)) + more
}

func updateSecret(secret, key string) string {
	return onSecret("update-secret", secret, " --kms-key-id "+shellWord(key))
}

// rotateTwice and putTwice write two versions: the first becomes AWSCURRENT, the second pushes the older copy out of
// AWSPREVIOUS.
func rotateTwice(secret string) []string {
	line := onSecret("rotate-secret", secret, "")
	return []string{line, line}
}

func putTwice(secret string) []string {
	line := onSecret("put-secret-value", secret, " --secret-string file://"+valueFile)
	return []string{line, line}
}

// putUnder writes the value of a version again under its own label, which no other new version reaches.
func putUnder(label, secret string) string {
	return onSecret("put-secret-value", secret, " --secret-string "+shellWord("file://VALUE-OF-"+label)+" --version-stages "+shellWord(label))
}

// bringBack is the way back for a key by the state it is in. A key whose deletion was canceled is disabled, so that takes
// two calls (KMS developer guide, key states). One in a custom key store is back with the store. There is none for a key that is gone
// or waits for its material.
func bringBack(key guard.Key) []string {
	onKey := func(operation string) string {
		return awscli.OnKey(operation, OneLine(key.ARN))
	}
	switch {
	case arn.Of(key.ARN).Region == "":
		return nil
	case key.State == guard.KeyPendingDeletion, key.State == guard.KeyPendingReplicaDeletion:
		return []string{onKey("cancel-key-deletion"), onKey("enable-key")}
	case key.State == guard.KeyDisabled:
		return []string{onKey("enable-key")}
	case key.State == guard.KeyUnavailable && key.Store != "":
		return []string{fmt.Sprintf("aws kms connect-custom-key-store --region %s --custom-key-store-id %s", shellWord(arn.Of(key.ARN).Region), shellWord(key.Store))}
	default:
		return nil
	}
}

// codeLine is the line that puts the secret under the key in the code that made it; ok is false where no code did.
func codeLine(n guard.Notice, key string) (where, line string, ok bool) {
	switch strings.ToLower(n.Tool) {
	case "terraform":
		return "Terraform", fmt.Sprintf("kms_key_id = %q  # in the aws_secretsmanager_secret of %s", key, Name(n)), true
	case "cloudformation":
		return "CloudFormation", fmt.Sprintf("KmsKeyId: %q  # under the Properties of the AWS::SecretsManager::Secret", key), true
	case "cdk":
		return "AWS CDK", fmt.Sprintf("encryptionKey: %s,  // in the props of new secretsmanager.Secret(...)", cdkKey(key)), true
	case "pulumi":
		return "Pulumi", fmt.Sprintf("kmsKeyId: %q,  // in the args of new aws.secretsmanager.Secret(...)", key), true
	default:
		return "", "", false
	}
}

func cdkKey(key string) string {
	if strings.HasPrefix(key, "alias/") {
		return fmt.Sprintf("kms.Alias.fromAliasName(this, 'SecretsKey', '%s')", key)
	}
	return fmt.Sprintf("kms.Key.fromKeyArn(this, 'SecretsKey', '%s')", key)
}

// shellWord is s in one line, quoted so that a POSIX shell takes it as one word.
func shellWord(s string) string {
	return awscli.Word(OneLine(s))
}
