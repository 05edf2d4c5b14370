//! The calls of the agent in shell text, found without running it.

/// The names of the program.
const NAMES: [&str; 3] = ["agent", "codedeploy-agent", "codedeploy-local"];

/// Words that may stand before a command's name.
const BEFORE: [&str; 9] = [
    "sudo", "if", "then", "else", "do", "while", "until", "!", "exec",
];

/// Each call: the name that it is called by, and its arguments.
pub(crate) fn agent_calls(script: &str) -> Vec<Vec<String>> {
    commands(script)
        .into_iter()
        .filter_map(|words| {
            let begin = words
                .iter()
                .position(|word| !BEFORE.contains(&word.as_str()) && !is_assignment(word))?;
            let words = words.get(begin..)?;
            let name = words.first()?.rsplit('/').next()?;
            if NAMES.contains(&name) {
                let mut call = words.to_vec();
                *call.first_mut()? = name.to_owned();
                return Some(call);
            }
            let from_source = ["cargo", "run", "-p", "agent", "--"];
            let arguments = words.strip_prefix(&from_source.map(str::to_owned)[..])?;
            Some([&["agent".to_owned()], arguments].concat())
        })
        .collect()
}

fn is_assignment(word: &str) -> bool {
    word.split_once('=').is_some_and(|(name, _)| {
        !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
    })
}

/// The simple commands, as words without quotes; redirections are left out.
fn commands(script: &str) -> Vec<Vec<String>> {
    let mut commands = vec![Vec::new()];
    let mut word: Option<String> = None;
    let mut skip_next = false;
    let mut characters = script.chars().peekable();
    let mut quote: Option<char> = None;
    while let Some(ch) = characters.next() {
        match (quote, ch) {
            (Some(open), ch) if ch == open => quote = None,
            (None, '\'' | '"') => {
                quote = Some(ch);
                word.get_or_insert_default();
            }
            (None, '\\') if characters.peek() == Some(&'\n') => {
                characters.next();
            }
            (None | Some('"'), '\\') => {
                word.get_or_insert_default().extend(characters.next());
            }
            (Some(_), ch) => word.get_or_insert_default().push(ch),
            (None, '#') if word.is_none() => {
                while characters.next_if(|ch| *ch != '\n').is_some() {}
            }
            (None, '<' | '>') => {
                // `2>`: the number belongs to it.
                word = word.filter(|word| !word.bytes().all(|b| b.is_ascii_digit()));
                end_word(&mut commands, &mut word, &mut skip_next);
                while characters
                    .next_if(|ch| matches!(ch, '<' | '>' | '&'))
                    .is_some()
                {}
                skip_next = true;
            }
            (None, ch) if ch.is_whitespace() || ";&|()`".contains(ch) => {
                end_word(&mut commands, &mut word, &mut skip_next);
                if !matches!(ch, ' ' | '\t') {
                    commands.push(Vec::new());
                }
            }
            (None, ch) => word.get_or_insert_default().push(ch),
        }
    }
    end_word(&mut commands, &mut word, &mut skip_next);
    commands.retain(|words| !words.is_empty());
    commands
}

fn end_word(commands: &mut [Vec<String>], word: &mut Option<String>, skip: &mut bool) {
    if let Some(word) = word.take()
        && !std::mem::take(skip)
        && let Some(command) = commands.last_mut()
    {
        command.push(word);
    }
}

#[test]
fn calls_are_found_wherever_they_stand() {
    let script = "cd x && sudo agent stop --wait 2>/dev/null; # agent no\n\
                  if A=1 /opt/codedeploy-agent/bin/codedeploy-agent status >&2; then echo agent; fi\n\
                  x=$(agent schema 'e c2' | cat)\n\
                  cargo run -p agent -- run-bundle \\\n  -l examples/web\n";
    let calls: Vec<String> = agent_calls(script)
        .iter()
        .map(|call| call.join(","))
        .collect();
    assert_eq!(
        calls,
        [
            "agent,stop,--wait",
            "codedeploy-agent,status",
            "agent,schema,e c2",
            "agent,run-bundle,-l,examples/web"
        ]
    );
}
