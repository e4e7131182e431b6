// Package awscli writes command lines of the AWS CLI for people to paste into a POSIX shell.
package awscli

import (
	"strings"

	"github.com/doublelock/doublelock/shared/arn"
)

// OnSecret is a command of Secrets Manager on a secret or a replica, by its ARN, in its own Region. More is what comes
// behind, word by word.
func OnSecret(operation, secret string, more ...string) string {
	return line(append([]string{"secretsmanager", operation, "--region", arn.Of(secret).Region, "--secret-id", secret}, more...))
}

// OnKey is likewise a command of KMS on a key.
func OnKey(operation, key string, more ...string) string {
	return line(append([]string{"kms", operation, "--region", arn.Of(key).Region, "--key-id", key}, more...))
}

func line(words []string) string {
	for i, word := range words {
		words[i] = Word(word)
	}
	return "aws " + strings.Join(words, " ")
}

// Word quotes s so that a shell takes it as one word. A line break stays inside the quotes.
func Word(s string) string {
	safe := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("/_+=.@:-,", r)
	}
	if s != "" && strings.IndexFunc(s, func(r rune) bool { return !safe(r) }) < 0 {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
