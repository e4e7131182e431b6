// Package conformance asks AWS, or a stand-in for it, what its documents leave open: a table of questions, each with its
// possible answers and what our code does with them, played with secrets, keys and roles that a run makes in somebody's
// sandbox account and removes again.
//
// Answers are words of an enumeration. They are found by error codes, states and events, never by the text of a message. A
// question that could not be answered says why. A report of the answers can be given to the local AWS, which then behaves
// as AWS was seen to.
package conformance
