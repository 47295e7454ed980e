"""Sign-in through Clever, ClassLink or an identity provider, and the activation of those who have no account yet."""
