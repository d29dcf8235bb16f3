// The words of both sides, a line each; a line is written again as more of it is heard.

const NEAR_END_PX = 80;

export class Captions {
  #list;
  #lines = new Map();

  constructor(list) {
    this.#list = list;
  }

  clear() {
    this.#lines.clear();
    this.#list.replaceChildren();
  }

  show({ segment, text, mine, final }, name) {
    const follow = this.#list.scrollHeight - this.#list.scrollTop - this.#list.clientHeight < NEAR_END_PX;
    const line = this.#lines.get(segment) ?? this.#add(segment, mine, name);
    line.lastChild.textContent = text;
    line.classList.toggle("open", !final);
    if (follow) this.#list.scrollTop = this.#list.scrollHeight;
  }

  #add(segment, mine, name) {
    const line = document.createElement("li");
    line.className = mine ? "you" : "them";
    const who = document.createElement("span");
    who.className = "speaker";
    who.textContent = mine ? "You" : name;
    line.append(who, document.createElement("p"));
    this.#list.append(line);
    this.#lines.set(segment, line);
    return line;
  }
}
