// Package handlers wires ports to adapters: the same wiring for the Lambda mains, the CLI and the demo.
//
// It decides nothing and holds no state. What differs between the cloud and a laptop is in the variables it reads.
package handlers
