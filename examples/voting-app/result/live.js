"use strict";

// Follows the server's stream of counts: {"a": 3, "b": 5}, or null while it has no database.

const total = document.getElementById("total");
const state = document.getElementById("state");

function plural(n) {
    return n === 1 ? "1 vote" : `${n.toLocaleString("en")} votes`;
}

function tell(name, text) {
    state.dataset.state = name;
    state.textContent = text;
}

function show(counts) {
    const sum = counts.a + counts.b;
    for (const row of document.querySelectorAll("[data-option]")) {
        const votes = counts[row.dataset.option];
        const share = sum === 0 ? 0 : (100 * votes) / sum;
        row.querySelector(".share").textContent = sum === 0 ? "–" : `${share.toFixed(1)} %`;
        row.querySelector(".votes").textContent = plural(votes);
        row.querySelector(".bar span").style.width = `${share}%`;
        row.classList.toggle("ahead", 2 * votes > sum);
    }
    total.textContent = sum === 0 ? "No votes yet" : `${plural(sum)} counted`;
}

const stream = new EventSource("/events");
stream.onmessage = (event) => {
    const counts = JSON.parse(event.data);
    if (counts === null) {
        tell("away", "the database is away");
    } else {
        show(counts);
        tell("live", "live");
    }
};
// The browser connects again by itself.
stream.onerror = () => tell("away", "connection lost, trying again");
