// Package functions reads how Lambda functions are deployed.
package functions
