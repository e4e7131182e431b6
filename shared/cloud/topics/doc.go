// Package topics publishes to SNS topics.
package topics
