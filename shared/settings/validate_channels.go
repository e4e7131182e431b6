package settings

import (
	"fmt"
	"strings"

	"github.com/doublelock/doublelock/shared/arn"
	"github.com/doublelock/doublelock/shared/notify/channels"
)

// owner checks where one owner is reached: at least one address, each of its shape, each carried by a channel that is
// deployed. What nobody carries would be sent to nobody and remembered as sent.
func (v validator) owner(path, owner string, c Channel) {
	reached := false
	for _, field := range channels.Fields(v.format.Channels) {
		if address := c[field.Name]; address != "" {
			reached = true
			v.address(join(path, field.Name), address, field)
		}
	}
	if !reached && !v.doubted(path) {
		v.problem(path, "owner "+owner+" has no channel", "add "+strings.Join(fieldsOfOwners(v.format), " or "))
	}
}

// address checks one address and that something carries it.
func (v validator) address(path, address string, field channels.Field) {
	if !field.Fits(address) {
		v.problem(path, fmt.Sprintf("%s %q is not %s", path, address, field.What), "write it like "+field.Example)
		return
	}
	partition := arn.PartitionOf(v.config.Regions.Home)
	on := v.config.channelSettings()
	var missing *channels.Setting
	for _, row := range v.format.Channels {
		if row.Field.Name != field.Name {
			continue
		}
		if row.On(partition, on) || v.isSettled(row.Needs.Path) {
			return // carried, or what would carry it was complained about
		}
		if row.In(partition) && missing == nil {
			missing = &row.Needs
		}
	}
	if missing != nil {
		v.problem(missing.Path, fmt.Sprintf("%s is missing, but there are %s", missing.Path, missing.Missing), missing.Fix)
		return
	}
	v.problem(path, fmt.Sprintf("no channel of partition %s carries %s", partition, field.Name), "remove it")
}

// channelsElsewhere reports a setting that deploys what the partition does not have.
func (v validator) channelsElsewhere() {
	partition := arn.PartitionOf(v.config.Regions.Home)
	for _, row := range v.format.Channels {
		if path := row.Needs.Path; path != "" && v.config.channelSettings()[path] != "" && !row.In(partition) {
			v.problem(path, fmt.Sprintf("the channel %s that %s deploys does not exist in partition %s", row.Name, path, partition),
				"remove it"+v.instead(row, partition))
		}
	}
}

// instead names the setting of a channel that carries the same addresses in the partition.
func (v validator) instead(row channels.Channel, partition arn.Partition) string {
	for _, other := range v.format.Channels {
		if other.Field.Name == row.Field.Name && other.In(partition) && other.Needs.Path != "" {
			return " and use " + other.Needs.Path
		}
	}
	return ""
}

// channelLimits reports more addresses than a channel carries.
func (v validator) channelLimits() {
	for _, row := range v.config.DeployedChannels(v.format.Channels) {
		addresses := map[string]bool{}
		for _, c := range v.config.Owners.Channels {
			if address := c[row.Field.Name]; address != "" {
				addresses[address] = true
			}
		}
		if row.Limit > 0 && len(addresses) > row.Limit {
			v.problem("owners.channels", fmt.Sprintf("owners have %d different addresses (%s), at most %d fit: %s", len(addresses), row.Field.Name, row.Limit, row.LimitWhy),
				"let teams share one")
		}
	}
}
