# fish completion for switchboard. Load it with: switchboard completion fish | source
function __switchboard_complete
    set -l words (commandline -opc)
    set -l begun (commandline -ct)
    set -l found ($words[1] complete -- $words[2..-1] "$begun" 2>/dev/null)
    if test (count $found) -gt 0
        printf '%s\n' $found
    else
        __fish_complete_path "$begun"
    end
end
complete -c switchboard -f -a '(__switchboard_complete)'
