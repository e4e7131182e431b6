package secrets

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/doublelock/doublelock/shared/arn"
	"github.com/doublelock/doublelock/shared/cloud"
	"github.com/doublelock/doublelock/shared/cloud/internal/session"
	"github.com/doublelock/doublelock/shared/guard"
)

// sealStage labels the new version until it is current. Without a label of its own it would become current at once,
// over whatever was written since the value was read.
const sealStage = "doublelock-seal"

// finishing bounds the calls that end what the new version began.
const finishing = 30 * time.Second

const (
	stageCurrent = "AWSCURRENT"
	hidden       = "[redacted secret value]"
)

// sealed is a secret value between Get and Put. It is nowhere else, and cannot be printed, logged or written as JSON.
type sealed struct {
	text   *string
	binary []byte
}

func (sealed) String() string               { return hidden }
func (sealed) GoString() string             { return hidden }
func (sealed) LogValue() slog.Value         { return slog.StringValue(hidden) }
func (sealed) MarshalJSON() ([]byte, error) { return []byte(`"` + hidden + `"`), nil }

// Format keeps the value out of every verb of fmt.
func (sealed) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(hidden)) }

// Seal writes the current value of a secret again, as a new version, which opens with the secret's key alone. It runs
// with our own credentials, which must be those of the secret's owner: it assumes no role, and no Lambda calls it. It
// is the only code of Doublelock that reads a value, which goes from Get to Put in memory. What somebody else writes
// meanwhile is kept: then Seal answers guard.ErrConflict, and the new version stays without being current.
func Seal(ctx context.Context, c *cloud.Cloud, secretARN string) (versionID string, err error) {
	where := arn.Of(secretARN)
	client := session.Client(c, session.Location{Region: where.Region}, secretsmanager.NewFromConfig)
	read, err := client.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: &secretARN})
	if err != nil {
		return "", session.Fail(err, "read value of %s", secretARN)
	}
	value := sealed{text: read.SecretString, binary: read.SecretBinary}
	put, err := client.PutSecretValue(ctx, &secretsmanager.PutSecretValueInput{
		SecretId: &secretARN, SecretString: value.text, SecretBinary: value.binary,
		ClientRequestToken: aws.String(rand.Text() + rand.Text()), VersionStages: []string{sealStage},
	})
	clear(value.binary)
	if err != nil {
		return "", session.Fail(err, "write new version of %s", secretARN)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), finishing) // what is begun is ended, also on Ctrl-C
	defer cancel()
	_, err = client.UpdateSecretVersionStage(ctx, &secretsmanager.UpdateSecretVersionStageInput{
		SecretId: &secretARN, VersionStage: aws.String(stageCurrent), MoveToVersionId: put.VersionId, RemoveFromVersionId: read.VersionId})
	moved := session.Fail(err, "make the new version of %s current", secretARN)
	if errors.Is(moved, guard.ErrRefused) {
		moved = fmt.Errorf("make the new version of %s current: %w: another version was written meanwhile: %w", secretARN, guard.ErrConflict, err)
	}
	_, err = client.UpdateSecretVersionStage(ctx, &secretsmanager.UpdateSecretVersionStageInput{
		SecretId: &secretARN, VersionStage: aws.String(sealStage), RemoveFromVersionId: put.VersionId})
	if moved != nil {
		return "", moved
	}
	return aws.ToString(put.VersionId), session.Fail(err, "remove our label from %s", secretARN)
}
