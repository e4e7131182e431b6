package notify

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/doublelock/doublelock/shared/guard"
)

// Fix is what an owner does about a notice.
type Fix struct {
	Say   string   // the way out, in a sentence or two
	In    string   // where Lines go: "Terraform", "a shell", …
	Lines []string // code or commands, ready to paste
	Then  string   // what is left to do afterwards; "" when nothing is
}

const (
	thenSeal    = "Give every reader kms:Decrypt on that key first. Afterwards write a new version: until then the older copy still opens with the previous key."
	thenReaders = "Check first that every reader has kms:Decrypt on that key."
)

// FixFor says how the owner of a story's resource gets rid of what the notice reports, in the tool they used.
func FixFor(n guard.Notice, key string) Fix {
	switch n.Kind {
	case guard.NoticeRekeyed:
		return afterRekey(n, key)
	case guard.NoticeFailed:
		return Fix{Say: "Remove the cause, or make the change yourself.", In: "a shell", Lines: []string{updateSecret(n, key)}, Then: thenSeal}
	case guard.NoticeIncident:
		return unlockKey(n.Resource, blastState(n.Blast), n.Region)
	case guard.NoticeReaderLost:
		return Fix{Say: "Give the reader kms:Decrypt on the key of the secret."}
	case guard.NoticeRolledBack:
		return Fix{Say: "Give every reader kms:Decrypt on the key; the secret is moved again when they have it."}
	case guard.NoticeSealDue:
		return Fix{Say: "Write a new version: rotate the secret, or put its value again.", In: "a shell", Lines: seal(n), Then: thenReaders}
	case guard.NoticeDeniedRead:
		return Fix{Say: "If the reader is yours, give it secretsmanager:GetSecretValue on the secret and kms:Decrypt on its key; if not, tell the security team."}
	case guard.NoticeTampered:
		return Fix{Say: "If nobody planned it, undo it now, and find out what else they did."}
	case guard.NoticeOpened:
		return forFinding(n, key)
	default:
		return Fix{}
	}
}

func forFinding(n guard.Notice, key string) Fix {
	if n.Finding == nil {
		return Fix{}
	}
	fix := Fix{Say: OneLine(n.Finding.Fix)}
	switch n.Finding.Control {
	case guard.SecretDefaultKey, guard.SecretKeyUnapproved:
		fix.In, fix.Lines = setKey(n, key)
		fix.Then = thenSeal
	case guard.SecretNotSealed:
		fix.In, fix.Lines, fix.Then = "a shell", seal(n), thenReaders
	case guard.SecretReplicaKey:
		fix.In, fix.Lines = "a shell", replaceReplicas(n)
	case guard.SecretKeyUnusable:
		unlock := unlockKey(keyARN.FindString(n.Finding.Detail), keyStateIn(n.Finding.Detail), n.Region)
		fix.In, fix.Lines = unlock.In, unlock.Lines
	}
	return fix
}

// setKey is the line that puts the secret under the key, in the tool that made it.
func setKey(n guard.Notice, key string) (where string, lines []string) {
	switch strings.ToLower(n.Tool) {
	case "terraform":
		return "Terraform", []string{fmt.Sprintf("kms_key_id = %q  # in the aws_secretsmanager_secret of %s", key, Name(n))}
	case "cloudformation":
		return "CloudFormation", []string{fmt.Sprintf("KmsKeyId: %q  # under the Properties of the AWS::SecretsManager::Secret", key)}
	case "cdk":
		return "AWS CDK", []string{fmt.Sprintf("encryptionKey: %s,  // in the props of new secretsmanager.Secret(...)", cdkKey(key))}
	case "pulumi":
		return "Pulumi", []string{fmt.Sprintf("kmsKeyId: %q,  // in the args of new aws.secretsmanager.Secret(...)", key)}
	default:
		return "a shell", []string{updateSecret(n, key)}
	}
}

func cdkKey(key string) string {
	if strings.HasPrefix(key, "alias/") {
		return fmt.Sprintf("kms.Alias.fromAliasName(this, 'SecretsKey', '%s')", key)
	}
	return fmt.Sprintf("kms.Key.fromKeyArn(this, 'SecretsKey', '%s')", key)
}

func updateSecret(n guard.Notice, key string) string {
	return fmt.Sprintf("aws secretsmanager update-secret --region %s --secret-id %s --kms-key-id %s",
		shellWord(n.Region), shellWord(n.Resource), shellWord(key))
}

func seal(n guard.Notice) []string {
	at := fmt.Sprintf("--region %s --secret-id %s", shellWord(n.Region), shellWord(n.Resource))
	return []string{
		"aws secretsmanager rotate-secret " + at + "  # if it rotates; else:",
		"aws secretsmanager put-secret-value " + at + " --secret-string file:///dev/stdin",
	}
}

func replaceReplicas(n guard.Notice) []string {
	regions := regionName.FindAllString(n.Finding.Detail, -1)
	if len(regions) == 0 {
		return nil
	}
	at := fmt.Sprintf("--region %s --secret-id %s", shellWord(n.Region), shellWord(n.Resource))
	lines := []string{"aws secretsmanager remove-regions-from-replication " + at + " --remove-replica-regions " + strings.Join(regions, " ")}
	for _, region := range regions {
		lines = append(lines, fmt.Sprintf("aws secretsmanager replicate-secret-to-regions %s --add-replica-regions Region=%s,KmsKeyId=KEY_IN_%s",
			at, region, strings.ToUpper(strings.ReplaceAll(region, "-", "_"))))
	}
	return lines
}

// unlockKey is the way back for a key that cannot be used. A key whose deletion was cancelled is disabled, so it
// takes two calls (KMS developer guide, key states).
func unlockKey(arn string, state guard.KeyState, region string) Fix {
	fix := Fix{Say: "If it was not on purpose, bring the key back; if it was, rotate what the secrets hold."}
	if arn == "" {
		return fix
	}
	if parts := strings.Split(arn, ":"); len(parts) > 3 && parts[3] != "" {
		region = parts[3]
	}
	at := fmt.Sprintf("--region %s --key-id %s", shellWord(region), shellWord(arn))
	switch state {
	case guard.KeyPendingDeletion, guard.KeyPendingReplicaDeletion:
		fix.In, fix.Lines = "a shell", []string{"aws kms cancel-key-deletion " + at, "aws kms enable-key " + at}
	case guard.KeyDisabled:
		fix.In, fix.Lines = "a shell", []string{"aws kms enable-key " + at}
	case guard.KeyMissing:
		fix.Say = "A deleted key cannot come back: put the secrets under another key and write their values again."
	}
	return fix
}

// afterRekey says what is left to the owner once the guard has moved a secret: keep the code in step, and seal it.
func afterRekey(n guard.Notice, key string) Fix {
	fix := Fix{Say: "Write a new version: only that closes the older copies.", In: "a shell", Lines: seal(n)}
	if where, lines := setKey(n, key); where != "a shell" {
		fix.Then = "Keep your code in step, or its next run shows a difference. In " + where + ": " + lines[0]
	}
	return fix
}

func blastState(b *guard.BlastRadius) guard.KeyState {
	if b == nil {
		return guard.KeyStateUnknown
	}
	return b.State
}

var (
	keyARN     = regexp.MustCompile(`arn:[a-z-]+:kms:[a-z0-9-]+:[0-9]{12}:key/[A-Za-z0-9-]+`)
	regionName = regexp.MustCompile(`\b[a-z]{2}(?:-[a-z]+)+-[0-9]\b`)
)

// keyStateIn finds the key state that a finding's sentence names.
func keyStateIn(detail string) guard.KeyState {
	for _, s := range []guard.KeyState{guard.KeyPendingReplicaDeletion, guard.KeyPendingDeletion, guard.KeyDisabled} {
		if strings.Contains(detail, string(s)) {
			return s
		}
	}
	if strings.Contains(detail, "does not exist") {
		return guard.KeyMissing
	}
	return guard.KeyStateUnknown
}

// shellWord quotes s so that a POSIX shell takes it as one word.
func shellWord(s string) string {
	s = OneLine(s)
	safe := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("/_+=.@:-", r)
	}
	if s != "" && strings.IndexFunc(s, func(r rune) bool { return !safe(r) }) < 0 {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
