// Package messaging is Amazon EventBridge, SQS, SNS and AWS Lambda, and what is on its way between them: events to
// targets, messages to functions, notifications to people, at least once and in any order.
package messaging
