"""What breaks commands at a chosen call, and looks at what they leave; Linux with a C compiler."""
