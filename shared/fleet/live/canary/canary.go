// Package canary makes a canary in an account and follows it with the rights of whoever runs it. No function does.
package canary

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/doublelock/doublelock/shared/arn"
	"github.com/doublelock/doublelock/shared/cloud"
	"github.com/doublelock/doublelock/shared/cloud/secrets"
	"github.com/doublelock/doublelock/shared/cloud/subscriber"
	"github.com/doublelock/doublelock/shared/cloud/table"
	"github.com/doublelock/doublelock/shared/fleet"
	"github.com/doublelock/doublelock/shared/fleet/live/accounts"
	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/settings"
)

// At says where a canary is made and by whom. Role is the name of a role of the account; "" is the credentials
// at hand. ID is unique, in letters and digits.
type At struct{ Account, Region, Role, ID string }

// New prepares a canary. Nothing is made before it flies; Patience and Now are the caller's to set.
func New(ctx context.Context, c *cloud.Cloud, config settings.Config, at At) (*fleet.Canary, error) {
	mode, _, err := accounts.Modes(c, config.Runtime(), nil, time.Now).Mode(ctx, at.Account, map[string]string{"Owner": fleet.CanaryOwner})
	if err != nil {
		return nil, fmt.Errorf("find mode of account %s: %w", at.Account, err)
	}
	by := secrets.NewWorkload(c, at.Region)
	if at.Role != "" {
		by = secrets.NewWorkloadIn(c, at.Account, at.Region, at.Role)
	}
	hub, home := config.Organization.SecurityAccount, config.Regions.Home
	topic := config.FallbackTopic()
	return &fleet.Canary{
		Account: at.Account, Region: at.Region, Name: fleet.CanaryPrefix + at.ID, Mode: mode,
		Maker: maker{by}, Traces: traces{table.Open(c, settings.HubName), secrets.New(c)}, Pause: 500 * time.Millisecond,
		Subscribe: func(ctx context.Context) (fleet.Subscriber, error) {
			if topic == "" {
				return nil, errors.New("no topic carries the messages of the fallback owner: give it an e-mail address, or a Slack workspace")
			}
			queue, err := subscriber.Subscribe(ctx, c, arn.PartitionOf(home).New("sns", home, hub, topic).String(), "doublelock-canary-"+at.ID)
			if err != nil {
				return nil, err
			}
			return queue, nil
		},
	}, nil
}

// maker is a workload that makes secrets on the default key.
type maker struct{ *secrets.Workload }

func (m maker) Create(ctx context.Context, name string, tags map[string]string) (string, error) {
	return m.Workload.Create(ctx, secrets.NewSecret{Name: name, Tags: tags})
}

// traces reads the hub's memory and the secret itself.
type traces struct {
	*table.Table
	secrets *secrets.Secrets
}

func (t traces) Tags(ctx context.Context, ref guard.SecretRef) (map[string]string, error) {
	secret, err := t.secrets.Describe(ctx, ref)
	return secret.Tags, err
}

var _ fleet.Traces = traces{}
