// Command infra is the CDK app: it turns doublelock.yaml into the Org, Hub and Member stacks. It takes event patterns
// from trail, environment names from settings and policies from preventive, so that nothing is typed twice; it never
// imports handlers or adapters, and a function reaches AWS only as a finished binary under dist.
package main
