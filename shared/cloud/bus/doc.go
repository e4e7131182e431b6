// Package bus publishes on the hub's EventBridge bus and reads rules and buses.
package bus
