// Package slackapi renders a message as the body of Slack's chat.postMessage, which an EventBridge API destination posts
// with a bot token that EventBridge keeps.
//
// Source: Slack API reference, "chat.postMessage".
package slackapi
