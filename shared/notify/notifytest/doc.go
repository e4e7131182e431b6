// Package notifytest is the kit every channel must pass: the same messages, ordinary and hostile, through any
// renderer, and what must hold of each result whatever the channel looks like.
package notifytest
