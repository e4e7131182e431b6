// Package notify turns notices into messages: who owns the resource, what goes into one message, and in which words.
//
// It speaks of resources, never of values, and holds no link, token or webhook. It sends nothing: each channel has a
// sub-package that renders a Message, and notifytest is the kit that every channel must pass.
package notify
