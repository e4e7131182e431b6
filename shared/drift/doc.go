// Package drift compares what AWS's own models say of a service (the Go SDK, botocore, the service authorization reference)
// with what this code knows, and with what it leaves alone for a reason. A tool of the tests, not production.
package drift
