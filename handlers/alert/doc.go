// Package alert notifies owners of what the hub found: one message per owner and batch, by every channel that is deployed.
//
// It renders and sends; it decides nothing about secrets and calls nobody but the topics. Somebody reads every message:
// what reaches no owner goes to the fallback.
package alert
