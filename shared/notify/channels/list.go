package channels

import (
	"net/mail"

	"github.com/doublelock/doublelock/shared/arn"
	"github.com/doublelock/doublelock/shared/notify"
	"github.com/doublelock/doublelock/shared/notify/email"
	"github.com/doublelock/doublelock/shared/notify/slack"
	"github.com/doublelock/doublelock/shared/notify/slackapi"
)

// The names of the topics and of the variables that say where to send.
const (
	TopicOwners = "doublelock-owners"
	TopicChat   = "doublelock-chat"

	EnvEmail    = "DOUBLELOCK_OWNERS_TOPIC"
	EnvChat     = "DOUBLELOCK_CHAT_TOPIC"
	EnvSlackAPI = "DOUBLELOCK_SLACK_API_BUS"
)

// Email is the field of an owner's mail address.
func Email() Field {
	return Field{
		Name: "email", About: "E-mail address.", What: "an e-mail address", Example: "team@example.com", Format: "email",
		Valid: func(address string) bool {
			parsed, err := mail.ParseAddress(address)
			return err == nil && parsed.Address == address
		},
	}
}

// SlackChannel is the field of an owner's Slack channel.
func SlackChannel() Field {
	return Field{
		Name: "slackChannel", About: "Slack channel id.", What: "a Slack channel id", Example: "C0123456789",
		Pattern: `^[CG][A-Z0-9]{8,}$`, Overview: true,
	}
}

// All is the list. A channel is added by its package, which renders, and by a row here.
func All() []Channel {
	return []Channel{
		{
			Name: "email", Field: Email(), Env: EnvEmail,
			Limit: 200, LimitWhy: "a topic tells so many subscriptions apart", // filter policies of a topic (SNS quotas)
			Carrier: Carrier{Subscriptions: &Subscriptions{Topic: TopicOwners, Protocol: "email"}},
			Render:  func(m notify.Message, _ string) (string, error) { return email.Render(m), nil },
			Whole:   func(m notify.Message, _ string) bool { return email.Whole(m) },
		},
		{
			Name: "chat", Field: SlackChannel(), Env: EnvChat,
			Needs: Setting{
				Path: "owners.slackWorkspaceId", Missing: "Slack channels",
				Fix: "add the Slack workspace id such as T0123456789, or set operations.slackApi: true",
			},
			Partitions: []arn.Partition{arn.Standard},                                  // chatbot endpoints and quotas (AWS General Reference)
			Limit:      100, LimitWhy: "each is three of the 500 resources of a stack", // CloudFormation quotas
			Carrier: Carrier{Chatbot: &Chatbot{Topic: TopicChat}},
			Render: func(m notify.Message, _ string) (string, error) {
				body, err := slack.Render(m)
				return string(body), err
			},
			Whole: func(m notify.Message, _ string) bool { return slack.Whole(m) },
		},
		{
			Name: "slack-api", Field: SlackChannel(), Env: EnvSlackAPI,
			Needs: Setting{Path: "operations.slackApi", Missing: "Slack channels", Fix: "set it to true"},
			Carrier: Carrier{Destination: &Destination{
				Name: "doublelock-slack-api", DetailType: "Doublelock Slack Message",
				URL: "https://slack.com/api/chat.postMessage", PerSecond: 1, // Slack: one a second in a channel
				Parameter: "SlackToken", About: "Slack bot token with chat:write, xoxb-…", Header: "Authorization", Prefix: "Bearer ",
			}},
			Render: func(m notify.Message, to string) (string, error) {
				body, err := slackapi.Render(m, to)
				return string(body), err
			},
			Whole: func(m notify.Message, _ string) bool { return slack.Whole(m) },
		},
	}
}
