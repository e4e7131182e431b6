package handlers

import (
	"context"
	"fmt"
	"time"

	"github.com/doublelock/doublelock/shared/arn"
	"github.com/doublelock/doublelock/shared/cloud"
	"github.com/doublelock/doublelock/shared/fleet"
	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/settings"
)

// CanaryPlace says where a canary is made and by whom. Role is the name of a role of the account; "" is the
// credentials at hand. ID is unique, in letters and digits.
type CanaryPlace struct{ Account, Region, Role, ID string }

// Canary prepares a canary. Nothing is made before it flies; Patience and Now are the caller's to set.
func Canary(ctx context.Context, c *cloud.Cloud, config settings.Config, at CanaryPlace) (*fleet.Canary, error) {
	mode, err := newModes(config.Runtime(), c, time.Now).Mode(ctx, at.Account, map[string]string{"Owner": fleet.CanaryOwner})
	if err != nil {
		return nil, fmt.Errorf("find mode of account %s: %w", at.Account, err)
	}
	maker := c.Workload(at.Region)
	if at.Role != "" {
		maker = c.WorkloadIn(at.Account, at.Region, at.Role)
	}
	hub, home := config.Organization.SecurityAccount, config.Regions.Home
	topic := arn.PartitionOf(home).New("sns", home, hub, settings.TopicOwners).String()
	return &fleet.Canary{
		Account: at.Account, Region: at.Region, Name: fleet.CanaryPrefix + at.ID, Mode: mode,
		Maker: canaryMaker{maker}, Traces: traces{c.Records(settings.HubName), c.Secrets()}, Pause: 500 * time.Millisecond,
		Listen: func(ctx context.Context) (fleet.Ear, error) { return c.Listen(ctx, topic, "doublelock-canary-"+at.ID) },
	}, nil
}

// canaryMaker is a workload that makes secrets on the default key.
type canaryMaker struct{ *cloud.Workload }

func (m canaryMaker) Create(ctx context.Context, name string, tags map[string]string) (string, error) {
	return m.Workload.Create(ctx, cloud.NewSecret{Name: name, Tags: tags})
}

// traces reads the hub's memory and the secret itself.
type traces struct {
	*cloud.Records
	secrets *cloud.Secrets
}

func (t traces) Tags(ctx context.Context, ref guard.SecretRef) (map[string]string, error) {
	secret, err := t.secrets.Describe(ctx, ref)
	return secret.Tags, err
}
