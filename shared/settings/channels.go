package settings

import (
	"cmp"
	"reflect"
	"slices"

	"github.com/doublelock/doublelock/shared/arn"
	"github.com/doublelock/doublelock/shared/notify/channels"
)

// Channel is where one owner's messages go, by the fields of the channel list: email, slackChannel.
type Channel map[string]string

var channelType = reflect.TypeFor[Channel]()

// Format is what a doublelock.yaml may say: the fields of Config, and the channels by which an owner may be reached.
type Format struct{ Channels []channels.Channel }

// standard is the format of the channels that there are.
func standard() Format { return Format{Channels: channels.All()} }

// DeployedChannels lists those of the list that the configuration deploys.
func (c Config) DeployedChannels(list []channels.Channel) []channels.Channel {
	on := c.channelSettings()
	partition := arn.PartitionOf(c.Regions.Home)
	return slices.DeleteFunc(slices.Clone(list), func(row channels.Channel) bool { return !row.On(partition, on) })
}

// channelSettings are the settings of the organization that deploy channels, by their path; "" is off.
func (c Config) channelSettings() map[string]string {
	on := map[string]string{"owners.slackWorkspaceId": c.Owners.SlackWorkspace}
	if c.Operations.SlackAPI {
		on["operations.slackApi"] = "true"
	}
	return on
}

// Overview is the address of each field that gets the messages of every owner: the operators' own, else that of the
// fallback owner.
func (c Config) Overview() map[string]string {
	operators := map[string]string{channels.SlackChannel().Name: c.Operations.SlackChannel}
	var overview map[string]string
	for _, f := range channels.Fields(channels.All()) {
		if !f.Overview {
			continue
		}
		if address := cmp.Or(operators[f.Name], c.Owners.Channels[c.Owners.Fallback][f.Name]); address != "" {
			if overview == nil {
				overview = map[string]string{}
			}
			overview[f.Name] = address
		}
	}
	return overview
}

func fieldsOfOwners(f Format) []string {
	var names []string
	for _, field := range channels.Fields(f.Channels) {
		names = append(names, field.Name)
	}
	return names
}

// reached are the owners with the addresses that deployed channels carry.
func (f Format) reached(c Config) Owners {
	deployed := c.DeployedChannels(f.Channels)
	owners := c.Owners
	owners.Channels = nil
	for owner, addresses := range c.Owners.Channels {
		if owners.Channels == nil {
			owners.Channels = map[string]Channel{}
		}
		owners.Channels[owner] = Channel(channels.Reach(deployed, addresses))
	}
	return owners
}

// FallbackTopic is the name of a topic to which the messages of the fallback owner go; "" where none carries them.
func (c Config) FallbackTopic() string {
	to := c.Owners.Channels[c.Owners.Fallback]
	for _, row := range c.DeployedChannels(channels.All()) {
		address := to[row.Field.Name]
		switch {
		case address == "":
		case row.Carrier.Subscriptions != nil:
			return row.Carrier.Subscriptions.Topic
		case row.Carrier.Chatbot != nil && address == c.Overview()[row.Field.Name]:
			return row.Carrier.Chatbot.Topic
		case row.Carrier.Chatbot != nil:
			return row.Carrier.Chatbot.TopicFor(row.Carrier.Chatbot.Topic, address)
		}
	}
	return ""
}
