// Package faults_test lets several processes of every function of the hub work in one local AWS, each behind a network of
// its own that throttles, loses and kills, while people of the organization go on working. An oracle reads in that AWS what
// is true, a ledger what people were notified of and what was changed.
//
// Everything runs in one bubble of testing/synctest: time is virtual, and one scheduler decides which call arrives next. So a
// seed repeats a run, and an hour without SNS costs nothing.
package faults_test
