// Package alert tells owners what the hub found: one message per owner and batch, in e-mail and chat, each notice once.
//
// It renders and sends; it decides nothing about secrets and calls nobody but the topics. Somebody reads every message:
// what no owner can be told goes to the fallback.
package alert
