// Package slack renders a message in Amazon Q Developer's custom-notification schema, which its chat applications
// read from an SNS topic and show in Slack. It knows the schema and its limits, and no webhook.
//
// Source: Amazon Q Developer in chat applications administrator guide, "Custom notifications".
package slack
