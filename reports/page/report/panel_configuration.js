/* What ran: everything that the numbers follow from, and how to run it again. */

function configurationPanel(view) {
  const { version, hash, command, options, files } = view.record.configuration;
  const section = panelSection("configuration", "Configuration", "");
  section.append(
    element("p", {}, "In the run's folder, this runs the same again into a new folder beside it:"),
    commandLine(command));
  const list = element("dl", { class: "facts" });
  const facts = [["rooftile", version], ["hash of all inputs (SHA-256)", hash], ...options];
  for (const [name, value] of facts) list.append(element("dt", {}, name), element("dd", {}, String(value)));
  section.append(list);
  for (const file of files) {
    const text = file.text ?? `${whole(file.characters)} characters: see the run's folder.`;
    section.append(element("details", {},
      element("summary", {}, file.name, element("span", { class: "quiet hash" }, ` SHA-256 ${file.sha256}`)),
      element("pre", { tabindex: "0" }, text)));
  }
  return section;
}

/** Return a command with a button that copies it, where pages may. */
function commandLine(command) {
  const code = element("code", {}, command);
  const copy = button("Copy", async () => {
    try {
      await navigator.clipboard.writeText(command);
      copy.textContent = "Copied";
    } catch {
      getSelection().selectAllChildren(code);
      copy.textContent = "Selected";
    }
  });
  return element("div", { class: "command" }, code, copy);
}
