package main

import (
	"fmt"
	"strings"
)

// topicWord decodes a name that becomes a part of a topic's.
func (d *decoder) topicWord(n *node) string {
	s := d.name(n)
	if i := strings.IndexFunc(s, func(r rune) bool { return !isTopicRune(r) }); i >= 0 {
		d.fail(n, "becomes part of a topic's name and may hold letters, digits, dot, dash and underscore; found %s", shown(n))
		return ""
	}
	return s
}

func isTopicRune(r rune) bool {
	return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || r == '.' || r == '-' || r == '_'
}

// checkTopic says why Kafka would refuse a topic, or why it should not be ours.
func checkTopic(name string) error {
	switch {
	case len(name) > 249:
		return fmt.Errorf("is longer than the 249 characters that a topic's name may have")
	case name == "." || name == "..":
		return fmt.Errorf("is no name for a topic")
	case strings.HasPrefix(name, "__"):
		return fmt.Errorf("begins with the two underscores of Kafka's own topics")
	case strings.ContainsFunc(name, func(r rune) bool { return !isTopicRune(r) }):
		return fmt.Errorf("may hold letters, digits, dot, dash and underscore")
	}
	return nil
}

// checkTemplate checks the template of the data topics' names. Without a part of its
// own a source could be named so that its records land in a stranger's topic.
func checkTemplate(template string) error {
	literal := placeholders.Replace(template)
	switch {
	case strings.ContainsAny(literal, "{}"):
		return fmt.Errorf("may hold {source} and {collection} and no other placeholder")
	case literal == "":
		return fmt.Errorf("needs a part that is the same for every topic, if only the dot of {source}.{collection}")
	case strings.ContainsFunc(literal, func(r rune) bool { return !isTopicRune(r) }):
		return fmt.Errorf("may hold letters, digits, dot, dash and underscore beside its placeholders")
	}
	return nil
}

var placeholders = strings.NewReplacer("{source}", "", "{collection}", "")

// topicNames remembers who has which topic, and where in the file.
type topicNames map[string]topicOwner

type topicOwner struct {
	topic, owner string
	at           position
}

// take gives a topic to its owner, unless someone has it. Kafka takes names that
// differ only in dot and underscore for a collision, because its metrics cannot tell
// them apart.
func (t topicNames) take(topic, owner string, at position) (had topicOwner, ok bool) {
	key := strings.ReplaceAll(topic, ".", "_")
	if had, taken := t[key]; taken {
		return had, false
	}
	t[key] = topicOwner{topic: topic, owner: owner, at: at}
	return topicOwner{}, true
}

// topic names the topic of a collection. Two collections must not share one.
func (f *fileDecoder) topic(n *node, c *collectionDecoder) string {
	source, name := c.settings.Source, c.settings.Collection
	if f.cfg.Topics.Name == "" || source == "" {
		return "" // reported
	}
	topic := strings.NewReplacer("{source}", source, "{collection}", name).Replace(f.cfg.Topics.Name)
	if err := checkTopic(topic); err != nil {
		f.fail(n, "is the collection %s, whose topic %s %v", name, topic, err)
		return ""
	}
	had, ok := f.topics.take(topic, source+"."+name, n.pos)
	switch {
	case ok:
	case had.topic == topic:
		f.fail(n, "publishes to the topic %s, which is that of %s in %v", topic, had.owner, had.at)
	default:
		f.fail(n, "publishes to the topic %s, which Kafka takes for the topic %s of %s in %v: only dots and underscores differ", topic, had.topic, had.owner, had.at)
	}
	return topic
}
