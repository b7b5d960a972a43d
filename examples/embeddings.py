"""Embeddings place items that are used alike close together, though the net is told nothing else about them."""

import numpy as np

import nncore as nn

rng = np.random.default_rng(0)
genre = np.arange(30) // 10  # 30 items of 3 genres, which the net does not see
likes = rng.integers(0, 3, 200)  # the genre that each of 200 users likes
user, item = rng.integers(0, 200, 6000), rng.integers(0, 30, 6000)
bought = (rng.random(6000) < np.where(likes[user] == genre[item], 0.8, 0.1)).astype(float)

users, items = nn.Input((1,), dtype="int64"), nn.Input((1,), dtype="int64")
table = nn.layers.Embedding(30, 4, name="items")
vectors = [nn.layers.Flatten()(nn.layers.Embedding(200, 4)(users)), nn.layers.Flatten()(table(items))]
model = nn.Model([users, items], nn.layers.Dense(1, "sigmoid")(nn.layers.Dot(axes=1)(vectors)), seed=1)
model.compile(nn.optimizers.Adam(learning_rate=0.02), "binary_crossentropy")
model.fit([user[:, None], item[:, None]], bought, batch_size=64, epochs=30, verbose=0)

(place,) = table.get_weights()
place = place / np.linalg.norm(place, axis=1, keepdims=True)
similarity = place @ place.T
np.fill_diagonal(similarity, -1)
share = (genre[similarity.argmax(axis=1)] == genre).mean()
assert share == 1
print(f"The nearest neighbour of an item's vector is of the same genre for {share:.0%} of 30 items.")
