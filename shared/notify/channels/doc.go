// Package channels is the one list of ways to reach people. A row says how a message is rendered, what an owner's address
// looks like in doublelock.yaml, what deploys the channel and what carries its messages: the configuration, the CDK app,
// the environment of the functions and the alert function all loop over the list.
package channels
