// Package localaws is an AWS in this process: it speaks the services' wire protocols on loopback, so that the real
// SDK and the real aws CLI run against it, and models what a guardrail for secrets has to get right (dual-key
// versions, key states, policies, CloudTrail), in any partition. It never calls out, and answers only the calls that
// the product and its demo make: anything else gets the service's own unknown-operation error.
package localaws
